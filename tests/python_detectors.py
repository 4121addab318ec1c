"""The features of the bundled registry as they were in Python, before they said `when`: what the language has to agree with."""

import re
from collections.abc import Callable

from flowgen_analysis.features.detectors import (
    Evidence,
    inputs_where,
    normalise,
    steps_like,
    steps_named,
    trigger_of_type,
)
from flowgen_analysis.flows.conditions import CONDITION_INPUTS, VALUE_INPUTS, parse_query
from flowgen_analysis.flows.model import Flow, Input, Sample

IN_PYTHON: dict[str, Callable[[Sample], list[Evidence]]] = {}


def detector(name):
    return lambda function: IN_PYTHON.setdefault(name, function)


@detector("trigger_null")
def _trigger_null(sample):
    return [Evidence("trigger", "no trigger")] if (sample.reference or Flow()).trigger is None else []


@detector("trigger_service_catalog")
def _trigger_service_catalog(sample):
    return trigger_of_type(sample, "servicecatalog")


@detector("trigger_sla")
def _trigger_sla(sample):
    return trigger_of_type(sample, "slatask", "sla")


@detector("trigger_weekly")
def _trigger_weekly(sample):
    return trigger_of_type(sample, "weekly")


def _clauses(i: Input) -> int:
    """How many clauses the input has as a condition: 0 where it is none."""
    if i.name not in CONDITION_INPUTS:
        return 0
    query = parse_query(i.value.strip())
    return 1 if query is None else sum(not c.operator.startswith("ORDERBY") for c in query.clauses)


@detector("trigger_conditionals")
def _trigger_conditionals(sample):
    return [e for e in inputs_where(sample, _clauses) if e.place.startswith("trigger")]


@detector("complex_inputs")
def _complex_inputs(sample):
    return inputs_where(sample, lambda i: _clauses(i) >= 2)


_GLIDE = re.compile(
    r"javascript:(?!gs\.getUser)|\bgs\.(?!getUser)\w+\(|\bGlide[A-Z]\w+"
    r"|RELATIVE(?:GT|GE|LT|LE|EE)|(?:MORETHAN|LESSTHAN|DATEPART)\w*@|(?<=[a-z_])ON[A-Z][\w ]*@"
)
_ME = re.compile(r"DYNAMIC90d1921e5f510100a9ad2572f2b477fe|gs\.getUserID\(\)", re.IGNORECASE)
_REQUESTER = re.compile(r"(?<![A-Za-z_])(?:requested_for|requested_by|opened_for|opened_by|caller_id)(?![a-z_])")


@detector("glide")
def _glide(sample):
    return inputs_where(sample, lambda i: _GLIDE.search(i.value))


@detector("dynamic_me")
def _dynamic_me(sample):
    return inputs_where(sample, lambda i: _ME.search(i.value))


@detector("requestor_related")
def _requestor_related(sample):
    return inputs_where(sample, lambda i: _REQUESTER.search(f"{i.name} {i.value}"))


_NOTES = ("worknotes", "worknote", "description")
_SETS = re.compile(r"(?:^|\^)([\w.]+)=")


def _sets_notes(i: Input) -> bool:
    fields = _SETS.findall(i.value) if i.name in VALUE_INPUTS | {"ah_fields"} else [i.name]
    return any(normalise(field) in _NOTES for field in fields)


@detector("worknotes_description")
def _worknotes_description(sample):
    inputs = [e for e in inputs_where(sample, _sets_notes) if e.place.startswith("components")]
    return steps_like(sample, r".*worknotes?.*") + inputs


@detector("dountil")
def _dountil(sample):
    return steps_named(sample, "dountil")


@detector("parallel")
def _parallel(sample):
    return steps_named(sample, "parallel", "doinparallel")


@detector("foreach")
def _foreach(sample):
    return steps_named(sample, "foreach")


@detector("try_catch")
def _try_catch(sample):
    return steps_named(sample, "try", "catch", "trycatch")


@detector("get_catalog_variables")
def _get_catalog_variables(sample):
    return steps_named(sample, "getcatalogvariables")


@detector("ask_for_approval")
def _ask_for_approval(sample):
    return steps_named(sample, "askforapproval")


@detector("log")
def _log(sample):
    return steps_named(sample, "log", "logmessage")


_CHAT = r"slack|teams"
_READS = r"retrieve|lookup|^get|^list|^wait|^find"


@detector("teams_slack_message")
def _teams_slack_message(sample):
    return steps_like(
        sample, rf".*({_CHAT}).*(message|post|send|notif).*|.*(message|post|send|notif).*({_CHAT}).*", _READS
    )


@detector("notification_email")
def _notification_email(sample):
    return steps_like(
        sample, r".*send.*(mail|notification|outlook).*|.*(mail|outlook).*(send|createmail).*", rf"{_READS}|{_CHAT}"
    )
