"""Every method of training on a tiny model: it learns, resumes to the same bits, obeys, and refuses what it cannot learn."""

import math
from pathlib import Path

import pytest

from agents.jobs import JobOutcome, JobResult, StopMode, TrainResult, read_progress
from agents.jobs.reporting import Reporter
from agents.recipe import Method
from agents.worker.base_model import resolve
from agents.worker.rewards import scorecard
from agents.worker.rewards.attempt import Attempt
from agents.worker.rewards.critics import Critics
from agents.worker.scorer import BATCH
from agents.worker.shaped_rows import Task
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    STEPS,
    method_recipe,
    method_spec,
    model_ref,
    open_job,
    write_records,
)

pytestmark = pytest.mark.torch

KILLED = -9
OTHERS = [Method.DPO, Method.KTO, Method.ORPO, Method.CPO, Method.REWARD]
SAMPLED = [Method.GRPO, Method.RLOO]


def trained(result: JobResult | None) -> TrainResult:
    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    return result.payload


@pytest.mark.parametrize("method", [*OTHERS, *SAMPLED])
def test_a_method_learns_and_a_killed_training_ends_with_the_same_adapter(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    whole = trained(
        worker.run(open_job(tmp_path / "w/job", method_spec(tiny, tmp_path / "w", method)))
    )
    spec = method_spec(tiny, tmp_path / "k", method)
    killed = worker.status(open_job(tmp_path / "k/first", spec), kill_at_step=7)
    resumed = trained(worker.run(open_job(tmp_path / "k/second", spec)))

    assert killed == KILLED
    assert (whole.steps_done, resumed.resumed_from_step) == (STEPS, 4)
    assert [step for step, _ in whole.dev_losses] == [0, 4, 8, 12]
    assert whole.dev_losses[-1][1] < whole.dev_losses[0][1]
    assert resumed.adapter_sha256 == whole.adapter_sha256
    assert resumed.losses == whole.losses


@pytest.mark.parametrize("method", [Method.SFT, Method.DPO, Method.REWARD, *SAMPLED])
def test_a_training_whose_memory_ran_out_goes_on_with_fewer_rows_at_once_and_learns_the_same(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    # Without dropout, which falls elsewhere in other parts of a batch.
    recipe = method_recipe(method, lora_dropout=0.0)
    whole = method_spec(tiny, tmp_path / "w", method, recipe=recipe)
    spec = method_spec(tiny, tmp_path / "h", method, recipe=recipe)
    halved = spec.model_copy(update={"rows_at_once": 1})

    expected = trained(worker.run(open_job(tmp_path / "w/job", whole)))
    failed = worker.run(open_job(tmp_path / "h/first", spec), no_memory_at_step=7)
    resumed = trained(worker.run(open_job(tmp_path / "h/second", halved), note_parts=True))

    assert failed is not None
    assert failed.error is not None
    assert failed.error.code == "out_of_memory"
    assert resumed.resumed_from_step == 4
    parts = recipe.batch_size * (recipe.num_generations if method in SAMPLED else 1)
    assert (tmp_path / "h/second/parts").read_text().count("\n") == (STEPS - 4) * (parts - 1)
    assert resumed.losses[:4] == expected.losses[:4]
    assert [loss for _, loss in resumed.losses] == pytest.approx(
        [loss for _, loss in expected.losses], rel=1e-3, abs=1e-5
    )


def test_the_first_losses_say_what_is_compared_with_what(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    losses = {}
    for method, changes in {
        Method.SFT: {},
        Method.DPO: {},
        Method.KTO: {},
        Method.ORPO: {"beta": 0.0},
    }.items():
        recipe = method_recipe(method, max_steps=1, **changes)
        spec = method_spec(tiny, tmp_path / method, method, recipe=recipe)
        losses[method] = trained(worker.run(open_job(tmp_path / method / "job", spec))).losses[0][1]

    # Before the first step the model is its own reference: nothing is preferred yet.
    assert losses[Method.DPO] == pytest.approx(math.log(2), abs=1e-4)
    assert losses[Method.KTO] == pytest.approx(0.5, abs=1e-4)
    # Without its pairs ORPO is supervised fine-tuning, of answers only: prompts are as unlearnt as there.
    assert losses[Method.ORPO] == pytest.approx(losses[Method.SFT], rel=1e-4)


@pytest.mark.parametrize("method", [Method.DPO, Method.REWARD, Method.GRPO])
@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        (StopMode.FINISH, JobOutcome.STOPPED),
        (StopMode.PAUSE, JobOutcome.PAUSED),
        (StopMode.CANCEL, JobOutcome.CANCELLED),
    ],
)
def test_a_method_obeys_every_stop(
    worker: ForkServer,
    tiny: Path,
    tmp_path: Path,
    method: Method,
    mode: StopMode,
    outcome: JobOutcome,
) -> None:
    job = open_job(tmp_path / "job", method_spec(tiny, tmp_path, method))

    result = worker.run(job, stop_at_step=[3, mode])

    assert result is not None
    assert result.outcome is outcome
    assert (result.payload is None) == (mode is StopMode.CANCEL)
    assert (job / "artifacts/adapter").exists() == (mode is StopMode.FINISH)


@pytest.mark.parametrize("method", SAMPLED)
def test_a_paused_training_that_samples_goes_on_to_the_same_adapter(
    worker: ForkServer, tiny: Path, tmp_path: Path, method: Method
) -> None:
    whole = open_job(tmp_path / "w/job", method_spec(tiny, tmp_path / "w", method))
    spec = method_spec(tiny, tmp_path / "p", method)

    expected = trained(worker.run(whole))
    worker.run(open_job(tmp_path / "p/first", spec), stop_at_step=[6, StopMode.PAUSE])
    resumed = trained(worker.run(open_job(tmp_path / "p/second", spec)))

    told = [line.reward for line in read_progress(whole) if line.loss is not None]
    last = f"checkpoints/checkpoint-{STEPS}/adapter_model.safetensors"
    assert resumed.resumed_from_step == 6
    # The pause looks at the dev rows once more, so another step may be the best one; the course is the same.
    assert (tmp_path / "p" / last).read_bytes() == (tmp_path / "w" / last).read_bytes()
    assert len(expected.rewards) == len(told) == STEPS
    assert told == pytest.approx([reward for _, reward in expected.rewards])


@pytest.mark.parametrize(
    ("method", "row", "words"),
    [
        (Method.DPO, {"prompt": "x" * 300, "chosen": "a", "rejected": "b"}, "Row 2 is longer than"),
        (Method.KTO, {"prompt": "x" * 300, "completion": "a", "label": True}, "longer than"),
        (Method.DPO, {"prompt": "x", "chosen": "a", "rejected": "a"}, "nothing to prefer"),
        (Method.KTO, {"prompt": "x", "completion": "a", "label": False}, "All thumbs"),
        (Method.DPO, {"prompt": "x", "completion": "a"}, "do not fit the method"),
        (Method.GRPO, {"prompt": "x" * 300}, "no room for an answer"),
    ],
)
def test_rows_that_teach_nothing_are_refused_before_the_training(
    worker: ForkServer,
    tiny: Path,
    tmp_path: Path,
    method: Method,
    row: dict[str, object],
    words: str,
) -> None:
    other = {"prompt": "y", "completion": "a", "label": True} if "All" not in words else row
    rows = [row, other] if method is Method.KTO else [row]
    if words == "longer than":
        rows = [row, row | {"label": False}]
    train = write_records(tmp_path / "odd.jsonl", rows)
    job = open_job(tmp_path / "job", method_spec(tiny, tmp_path, method, train=train))

    result = worker.run(job)

    assert result is not None
    assert result.error is not None
    assert result.error.for_person
    assert words in result.error.message
    assert not [line for line in read_progress(job) if line.stage == "training"]


@pytest.mark.parametrize(
    ("rewards", "words"),
    [
        ([], "none is chosen"),
        ([{"kind": "exact_match"}], "no reference"),
        ([{"kind": "judge", "criterion": "polite"}], "There is no language model to judge"),
        ([{"kind": "learned"}], "no reward model"),
    ],
)
def test_rewards_that_cannot_be_given_are_refused_in_a_sentence(
    worker: ForkServer, tiny: Path, tmp_path: Path, rewards: list[dict[str, object]], words: str
) -> None:
    recipe = method_recipe(Method.GRPO, rewards=rewards)
    job = open_job(tmp_path / "job", method_spec(tiny, tmp_path, Method.GRPO, recipe=recipe))

    result = worker.run(job)

    assert result is not None
    assert result.error is not None
    assert result.error.for_person
    assert words in result.error.message


def test_a_reward_model_trained_from_pairs_rewards_answers(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    pairs = open_job(tmp_path / "r/job", method_spec(tiny, tmp_path / "r", Method.REWARD))
    scale = trained(worker.run(pairs)).reward_scale
    assert scale is not None
    recipe = method_recipe(Method.RLOO, rewards=[{"kind": "learned"}], max_steps=4)
    spec = method_spec(
        tiny,
        tmp_path,
        Method.RLOO,
        recipe=recipe,
        reward_dir=str(pairs / "artifacts/adapter"),
        reward_scale=scale,
    )

    payload = trained(worker.run(open_job(tmp_path / "job", spec)))

    assert payload.steps_done == 4
    assert len({round(reward, 6) for _, reward in payload.rewards}) > 1
    assert all(0 < reward < 1 for _, reward in payload.rewards)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_scoring_with_a_reward_model_is_a_sign_of_life(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    pairs = open_job(tmp_path / "r/job", method_spec(tiny, tmp_path / "r", Method.REWARD))
    trained(worker.run(pairs))
    beats: list[int] = []
    critics = Critics(reward_dir=pairs / "artifacts/adapter", beat=lambda: beats.append(1))
    recipe = method_recipe(Method.RLOO, rewards=[{"kind": "learned"}])
    card = scorecard.make(recipe.rewards, critics, resolve(model_ref(tiny), Reporter(pairs)))

    card.score([Attempt(Task("colour?", None, 1), "red")] * (BATCH + 1))

    assert len(beats) == 2
