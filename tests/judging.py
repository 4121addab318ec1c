"""Questions for a judge, and a server that judges."""

import json
import re

import loopback

from flowgen_analysis.flows.reading import read_flow
from flowgen_analysis.generation.models.judging import Asked


def asked_of(n: int) -> list[Asked]:
    """So many questions, each with a text of its own."""
    return [Asked((f"s{i}", "m", 0, 0), f"Worth? <flow>number {i}</flow>") for i in range(n)]


def score_of(body: dict) -> float:
    """What the server thinks of a question: the last digit of its number."""
    return float(re.findall(r"number (\d+)", body["messages"][-1]["content"])[0][-1])


class JudgeServer(loopback.Loopback):
    """Answers with a score. `paid`: how often each question got a whole reply, by its text."""

    def __init__(self, fault=None, latency_s: float = 0.0, says=score_of):
        super().__init__(lambda text: read_flow({"trigger": None, "components": []}), latency_s, fault)
        self.says = says
        self.paid: dict[str, int] = {}

    async def respond(self, body: dict, fault: str | None, key: str):
        text = json.dumps({"reason": "because", "score": self.says(body)})
        if fault is None:
            asked = body["messages"][-1]["content"]
            self.paid[asked] = self.paid.get(asked, 0) + 1
            return loopback.JSONResponse(self.reply(body, text))
        if fault == "prose":
            return loopback.JSONResponse(self.reply(body, "I would rather not."))
        if fault == "html":
            return loopback.HTMLResponse("<html>Please log in</html>")
        return loopback.JSONResponse({"error": {"message": fault}}, int(fault))
