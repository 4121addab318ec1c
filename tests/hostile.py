"""Flows to draw: a small one, and one whose every text wants to be more than text."""

from flowgen_analysis.flows.model import Flow, Generation, Input, Sample, Step, Trigger

EVIL = (
    "<img src=x onerror=alert(1)>\"'><script>alert(1)</script></style><style>*{display:none}</style>\u202e\u2067 right "
    "\0\x07 \U0001f600 &lt;b&gt; {{step_1.<b>}} "
)


def step(name: str, number: int, block: int | None = None, **inputs: str) -> Step:
    return Step(name=name, step=number, block=block, inputs=[Input(name=k, value=v) for k, v in inputs.items()])


def made(model: str, flow: Flow | None, **more) -> Generation:
    return Generation(sample_id="s", model=model, generated=flow, **more)


LOOP = Flow(
    trigger=Trigger(type="weekly"),
    components=[step("look_up_records", 1, table="incident"), step("FOREACH", 2, items="{{step_1.records}}"),
                step("update_record", 3, 2, values="state=7"), step("send_email", 4, ah_to="x", ah_body="one two three")],
)  # fmt: skip


def hostile(text: str) -> tuple[Sample, list[Generation]]:
    nested = [
        Step(name="FOREACH", annotation=text, step=1, inputs=[Input(name="items", value=text)]),
        Step(name=text, annotation=text, step=2, block=1, inputs=[Input(name=text, value=text), Input(name="conditions", value=f"a={text}^b={text}")]),
    ]  # fmt: skip
    flow = Flow(trigger=Trigger(type=text, annotation=text, inputs=[Input(name=text, value=text)]), components=nested)
    other = flow.model_copy(deep=True)
    other.components[1].inputs[0].value = text + "!"
    other.components.append(Step(name=text, annotation=text, step=9, block=8))
    sample = Sample(id=text, requirement=f"{text} and {text}", expected=[flow])
    return sample, [
        Generation(sample_id=text, model=text, generated=other, raw=text),
        Generation(sample_id=text, model=f"{text}2", generated=None, error=text, raw=text),
        Generation(sample_id=text, model=f"{text}3", generated=Flow(), read_as="repaired", repairs=[text]),
    ]
