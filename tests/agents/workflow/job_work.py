"""Files of a run that improves a workflow, and folders in which its jobs are done."""

from agents.jobs import (
    Approve,
    Contender,
    JobSpec,
    Left,
    MeasureRoundSpec,
    ProposeSpec,
    ReadWorkflowResult,
    ReadWorkflowSpec,
    WorkflowFile,
    WorkflowTerms,
    write_spec,
)
from agents.workflow.__main__ import PROGRAM
from agents.workflow.workplace import models_ref
from configs.schema import Settings, WorkflowSettings
from tests import loop_case

TERMS = WorkflowTerms(
    model="small",
    analysis_model="analyst",
    rounds=3,
    repeats=2,
    proposals=3,
    approve=Approve.AUTO,
    max_calls=5000,
)


class Work:
    """Files of a run, and folders of its jobs."""

    def __init__(self, folder, **more):
        self.folder = loop_case.write(folder, **more)
        settings = Settings(
            data_dir=folder / "data",
            workflows=WorkflowSettings(back_end="script", script=folder / "script.json"),
        )
        self.models = models_ref(settings, None)
        self.workflow = self.file(folder / "sorter.yaml")
        self.tests = loop_case.ref(folder / "sorter.test.yaml")
        self.done = 0

    def file(self, path):
        place = str(self.folder / "sorter.yaml")
        return WorkflowFile(text=loop_case.ref(path), path=place, own_files=True)

    def do(self, spec, name=None):
        """Do a job in a folder of its own, and return its result."""
        self.done += 1
        folder = self.folder / (name or f"job{self.done}")
        (folder / "result.json").unlink(missing_ok=True)
        write_spec(folder, JobSpec(job_id=folder.name, spec=spec))
        return folder, PROGRAM.do(folder)

    def common(self, name, left=Left()):  # noqa: B008  # it never changes
        return {
            "models": self.models,
            "journal_dir": str(self.folder / "paid" / name),
            "left": left,
            "terms": TERMS,
        }

    def read(self, **more):
        spec = ReadWorkflowSpec(
            **self.common("read"),
            workflow=self.workflow,
            tests=self.tests,
            tests_path=str(self.folder / "sorter.test.yaml"),
        )
        return self.do(spec.model_copy(update=more))

    def found(self):
        return payload(self.read(), ReadWorkflowResult)

    def propose(self, cases, name="propose", **more):
        spec = ProposeSpec(
            **self.common(name),
            workflow=self.workflow,
            tests=self.tests,
            tests_path=str(self.folder / "sorter.test.yaml"),
            cases=cases,
            round=1,
        )
        return self.do(spec.model_copy(update=more))

    def measure(self, cases, proposed, folder, name="measure", **more):
        contenders = tuple(Contender(proposed=stored(folder, one)) for one in proposed.proposals)
        spec = MeasureRoundSpec(
            **self.common(name),
            workflow=self.workflow,
            tests=self.tests,
            tests_path=str(self.folder / "sorter.test.yaml"),
            cases=cases,
            round=1,
            standing=proposed.standing,
            contenders=contenders,
        )
        return self.do(spec.model_copy(update=more))


def stored(folder, proposed):
    place = str(folder / proposed.text.path)
    return proposed.model_copy(update={"text": proposed.text.model_copy(update={"path": place})})


def payload(done, kind):
    _folder, result = done
    assert result.error is None, result.error
    assert isinstance(result.payload, kind)
    return result.payload
