"""What every test gets: no model hub, no telemetry, no colours, and no setting of the machine it runs on."""

import os

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

for name in [n for n in os.environ if n.startswith(("TUNEWRIGHT_", "DISCORD_", "HF_"))]:
    del os.environ[name]
os.environ.update(
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_EVALUATE_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    DO_NOT_TRACK="1",
    LANGSMITH_TRACING="false",
    NO_COLOR="1",
    MPLBACKEND="Agg",
)

# a busy machine is slow, not wrong
hypothesis_settings.register_profile(
    "tunewright", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("tunewright")
