"""Changes of a recipe as a language model may propose them: typed, and none of them endless."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from agents.recipe import Changeable, RecipeChange

VALUE_CHARS = 1000
"""Of a value that is a text, such as rewards in JSON."""


class ProposedChange(BaseModel):
    """One field of a recipe, and what it should be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: Changeable
    value: (
        StrictBool | StrictInt | StrictFloat | Annotated[str, Field(max_length=VALUE_CHARS)] | None
    )

    @property
    def change(self) -> RecipeChange:
        """Return it as rules and people make changes."""
        return RecipeChange(field=self.field, value=self.value)
