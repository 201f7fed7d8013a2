"""What the tests ask for in a form of its own: small, and bounded, so that any model comes to its end."""

from typing import Literal

import openai
from pydantic import BaseModel, Field

QUESTION = "Record in the journal: a purchase of goods for 100 euros, paid by bank transfer."


class Line(BaseModel):
    account: Literal["401", "512", "607"]
    side: Literal["débit", "crédit"]
    amount: int = Field(ge=0, le=9999)


class Journal(BaseModel):
    """Lines of a French journal."""

    label: str = Field(max_length=12)
    lines: list[Line] = Field(min_length=1, max_length=2)


class Balance(BaseModel):
    """Looks up the balance of an account."""

    account: Literal["401", "512", "607"]
    year: int = Field(ge=2000, le=2030)


BALANCE = openai.pydantic_function_tool(Balance, name="balance")
CLOSE_YEAR = {
    "type": "function",
    "function": {
        "name": "close_year",
        "description": "Closes a financial year.",
        "parameters": {
            "type": "object",
            "properties": {"year": {"enum": [2023, 2024]}},
            "required": ["year"],
            "additionalProperties": False,
        },
    },
}
TOOLS = [BALANCE, CLOSE_YEAR]
