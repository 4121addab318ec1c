"""Flows as hypothesis draws them: of every nesting, with queries, pills and odd text."""

from hypothesis import strategies as st

from flowgen_analysis.flows.model import BLOCK_STEPS, Flow

NAMES = ["look_up_records", "update_record", "send_email", "log"]
QUERIES = [
    "active=true",
    "a=1^b=2",
    "b=2^a=1^ORc!=3",
    "stateISEMPTY",
    "free text",
    "",
    "a=1^EQ",
    "nameLIKEx^ORDERBYname",
]

texts = st.sampled_from(["", "incident", "{{step_1.records}}", "a: b\nc", "daily"])
inputs = st.lists(
    st.one_of(
        st.fixed_dictionaries({"name": st.sampled_from(["table", "items", "record"]), "value": texts}),
        st.fixed_dictionaries({"name": st.sampled_from(["conditions", "values"]), "value": st.sampled_from(QUERIES)}),
    ),
    max_size=3,
)
triggers = st.none() | st.fixed_dictionaries({"type": st.sampled_from(["daily", "record_update"]), "inputs": inputs})


@st.composite
def flows(draw, max_steps: int = 6) -> Flow:
    """A flow whose steps are numbered in order, each at the top or in a block that is open."""
    components, blocks = [], [None]
    for number in range(1, draw(st.integers(0, max_steps)) + 1):
        name = draw(st.sampled_from([*NAMES, "FOREACH", "IF"]))
        block = draw(st.sampled_from(blocks))
        components.append({"name": name, "step": number, "block": block, "inputs": draw(inputs)})
        if name in BLOCK_STEPS:
            blocks.append(number)
    return Flow.model_validate({"trigger": draw(triggers), "components": components})
