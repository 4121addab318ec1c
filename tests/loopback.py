"""A model server on this machine: the real HTTP protocol, answers from an offline generator, and every way to fail.

In a test: `with Loopback(flows) as server: …`. As a process of its own: `python tests/loopback.py --latency 0.2 DATASET`,
which prints its address.
"""

import argparse
import asyncio
import functools
import hashlib
import json
import re
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from flowgen_analysis.flows.dataset import load_samples
from flowgen_analysis.flows.environment import Environment
from flowgen_analysis.flows.model import Flow, Sample
from flowgen_analysis.generation.baselines.rules import Rules
from flowgen_analysis.generation.models.catalogue import ModelEntry, Prices, Provider
from flowgen_analysis.generation.models.schema import inputs_text, outline_text

Fault = Callable[[dict, int], str | None]
"""From a request's body and how often it came before to the name of what goes wrong, or None."""


class Plain:
    """A retriever without any idea: everything there is, in order, cut at k."""

    def __init__(self, environment: Environment):
        self.environment = environment

    def suggest(self, kind: str, query: str, k: int, context: Mapping[str, str]) -> list[str]:
        if kind == "steps":
            return [s.name for s in self.environment.all_steps()][:k]
        if kind == "tables":
            return self.environment.table_names()[:k]
        columns = self.environment.columns(context["table"])
        return (list(columns) if kind == "columns" else list(columns[context["column"]].choices))[:k]


def requirement_of(body: dict) -> str:
    """The requirement in a request: the last line of what the user says."""
    return json.loads(body["messages"][-1]["content"].rpartition("\n")[2])


def answer(body: dict, flow: Flow) -> str:
    """The right reply to a request, for somebody who knows the flow."""
    if "Write the outline" in body["messages"][0]["content"]:
        return outline_text(flow)
    asked = body["messages"][1]["content"].partition("# To fill in")[2].partition("\n# Pills")[0]
    number = re.search(r"^step (\d+):", asked, re.MULTILINE)
    step = next((s for s in flow.components if number and s.step == int(number[1])), None)
    return inputs_text(step, flow.trigger if re.search(r"^trigger: ", asked, re.MULTILINE) else None)


class Loopback:
    """The server. `flow_of` knows the flow for a requirement; `seen` keeps every request; `peak` is the most at a time."""

    def __init__(
        self, flow_of: Callable[[str], Flow] | None = None, latency_s: float = 0.0, fault: Fault | None = None
    ):
        rules = Rules()
        self.flow_of = flow_of or (lambda text: rules.generate(Sample(id="x", requirement=text)))
        self.latency_s, self.fault = latency_s, fault or (lambda body, before: None)
        self.seen: list[dict] = []
        self.keys: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.now = self.peak = 0
        # Without the protocol, asyncio leaves Nagle's algorithm on: 47 ms a call instead of 1.4.
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(256)
        app = Starlette(routes=[Route("/v1/chat/completions", self.complete, methods=["POST"])])
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", timeout_keep_alive=60)
        self.server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/v1"

    def __enter__(self) -> "Loopback":
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *_) -> None:
        self.server.force_exit = self.server.should_exit = True
        self.thread.join(10)

    def entry(self, **options) -> ModelEntry:
        """A model that this server serves."""
        known = {"max_concurrency": 8, "timeout_s": 5, "deadline_s": 30, "retries": 2}
        given = {k: options.pop(k) for k in (*known, "api_key_env") if k in options}
        provider = Provider(name="loopback", base_url=self.url, **{**known, **given})
        prices = Prices(input=1, output=2, as_of="2026-11-20", source="made up")
        made = {"name": "loop", "endpoint_model": "loop-1", "params": {"temperature": 0}, "prices": prices}
        return ModelEntry(provider=provider, **{**made, **options})

    async def complete(self, request: Request) -> Response:
        raw = await request.body()
        body = json.loads(raw)
        digest = hashlib.sha256(raw).hexdigest()
        before = self.counts[digest]
        self.counts[digest] += 1
        self.seen.append(body)
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.keys[key] += 1
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            await asyncio.sleep(self.latency_s)
            return await self.respond(body, self.fault(body, before), key)
        finally:
            self.now -= 1

    async def respond(self, body: dict, fault: str | None, key: str) -> Response:
        text = answer(body, self.flow_of(requirement_of(body)))
        good = json.dumps(self.reply(body, text))
        if fault and fault[:3] in ("301", "302", "303", "307", "308"):
            return Response(status_code=int(fault[:3]), headers={"Location": fault[4:]})
        match fault:
            case None:
                return Response(good, media_type="application/json")
            case "429":
                return JSONResponse({"error": {"message": f"slow down, {key}"}}, 429)
            case "429-after":
                return JSONResponse({"error": {"message": "slow down"}}, 429, {"Retry-After": "0.1"})
            case "500" | "400" | "401" | "404":
                return JSONResponse({"error": {"message": f"status {fault} for {key}"}}, int(fault))
            case "silence":
                await asyncio.sleep(60)
            case "cut":
                return StreamingResponse(pieces(good[:40], 0), headers={"Content-Length": str(len(good.encode()))})
            case "slow":
                return StreamingResponse(pieces(good, 0.1), media_type="application/json")
            case "html":
                return HTMLResponse(f"<html><body>Please log in, {key}</body></html>")
            case "half":
                return Response(good[: len(good) // 2], media_type="application/json")
            case "error-body":
                return JSONResponse({"error": {"message": f"the model is overloaded, {key}", "code": 529}})
            case "ignored":
                return JSONResponse(self.reply(body, f"Sure! Here it is:\n```json\n{text}\n```"))
            case "half-reply":
                return JSONResponse(self.reply(body, text[: len(text) * 2 // 3], "length"))
            case "prose":
                return JSONResponse(self.reply(body, f"I would rather not, {key}."))
            case "refusal":
                return JSONResponse(self.reply(body, None, "content_filter"))
            case "endless" | "endless-500":
                return StreamingResponse(endless(), 500 if "500" in fault else 200, media_type="application/json")
            case "bomb":
                return Response(bomb(), headers={"Content-Encoding": "gzip"}, media_type="application/json")
            case "no-text":  # what JSON may say and no file and no database takes
                odd = self.reply(body, text)
                odd |= {"model": "m\ud800", "usage": {"prompt_tokens": 10**30, "completion_tokens": 2**63}}
                odd["choices"][0]["message"]["content"] += "\n\udfff"
                return Response(json.dumps(odd), media_type="application/json")
            case "no-usage":
                return JSONResponse({k: v for k, v in self.reply(body, text).items() if k != "usage"})
        return Response(status_code=503)

    def reply(self, body: dict, text: str | None, finish: str = "stop") -> dict:
        usage = {"prompt_tokens": len(json.dumps(body["messages"])) // 4, "completion_tokens": len(text or "") // 4}
        usage["prompt_tokens_details"] = {"cached_tokens": 0}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {"id": "x", "object": "chat.completion", "model": "loop-1-rerouted", "choices": [choice], "usage": usage}


async def pieces(text: str, wait_s: float):
    size = max(1, len(text) // 200)
    for at in range(0, len(text), size):
        yield text[at : at + size].encode()
        await asyncio.sleep(wait_s)


async def endless():
    yield b'{"choices": "'
    while True:
        yield bytes(1 << 16).replace(b"\0", b"a")
        await asyncio.sleep(0)


@functools.cache
def bomb(mebibytes: int = 256) -> bytes:
    """So much of nothing, packed."""
    pack = zlib.compressobj(9, wbits=31)
    return b"".join(pack.compress(bytes(1 << 20)) for _ in range(mebibytes)) + pack.flush()


def by_heart(path: Path) -> Callable[[str], Flow]:
    """The expected flow of a requirement of the dataset at `path`."""
    known = {s.requirement: s.reference for s in load_samples(path)}
    return lambda text: known[text] or Flow()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    loopback = Loopback(by_heart(options.dataset), options.latency)
    print(loopback.url, flush=True)
    loopback.server.run(sockets=[loopback.socket])
