from configs.schema import TrainingSettings
from storage import jobs
from tests.house import EVERY_GATE, open_house


async def test_a_training_is_told_the_tools_of_the_settings_and_a_folder_below_the_data(tmp_path):
    settings = TrainingSettings(report_to=("tensorboard", "trackio"))
    async with open_house(tmp_path, training=settings) as house:
        await house.start(policy=EVERY_GATE)

        spec = (await house.app.services.db.read(jobs.latest, 1, "train")).spec
        assert spec["report_to"] == ["tensorboard", "trackio"]
        assert spec["reports_dir"] == str(tmp_path / "data" / "reports")


async def test_a_missing_tool_ends_the_run_with_the_reason(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "not_installed"}) as house:
        await house.start(policy=EVERY_GATE)

        assert "scripted not_installed" in (await house.run()).failure
