"""What models said is left in a file, for a person's words to be counted in."""

from agents.jobs import Answered
from agents.worker import answer_sheet
from agents.worker.digests import sha256_of
from agents.worker.evaluate_shaped import Item

FRENCH = "Bonjour, je voudrais savoir quand ma commande sera livrée, merci beaucoup."


def test_each_item_has_a_line_with_whole_lengths_and_cut_texts(tmp_path):
    items = [
        Item(3, f"Task:\n{FRENCH}", "réponse", "b", "t" * 5000, 0.0, 1.0),
        Item(7, "Task:\nshort", "x", "y", "z", 0.5, 0.25),
    ]

    kept = answer_sheet.write(items, tmp_path)

    lines = [
        Answered.model_validate_json(line)
        for line in (tmp_path / kept.path).read_text().splitlines()
    ]
    assert kept.sha256 == sha256_of(tmp_path / kept.path)
    assert [(line.row, line.language) for line in lines] == [(3, "fr"), (7, None)]
    assert (len(lines[0].tuned), lines[0].tuned_chars) == (4000, 5000)
    assert (lines[1].base_score, lines[1].tuned_score, lines[1].reference_chars) == (0.5, 0.25, 1)
