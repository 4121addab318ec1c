"""The synthetic datasets: the paper's counts, the same bytes for a seed, sound flows, varied words, no leak."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter

import pytest
from shared import ROOT

from flowgen_analysis.features.detectors import Detection
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.flows.dataset import load_samples, sample_to_dict
from flowgen_analysis.flows.environment import load_environment
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.structure import problems
from flowgen_analysis.flows.unknown import unknown_names
from flowgen_analysis.synthesis.datasets import DOMAINS, RECIPES, make_dataset, make_datasets
from flowgen_analysis.synthesis.measures import (
    near_duplicates,
    own_names,
    populate_inputs,
    said_elsewhere,
    trigram_diversity,
    vocabulary,
)
from flowgen_analysis.synthesis.nonsense import CHECKERS, nonsense
from flowgen_analysis.synthesis.scenarios import check_scenario, load_scenario

TABLE_1 = {"internal": (1512, 4709), "synthetic": (766, 2310), "ood": (1072, 4958)}
NOT_IN_TRAINING = (
    "trigger_null",
    "trigger_service_catalog",
    "get_catalog_variables",
    "ask_for_approval",
    "glide",
    "dynamic_me",
)

DETECTED = {f.name for f in Registry.load(ROOT / "feature_matrices" / "features.toml").features if f.detected}
test = load_samples(ROOT / "datasets" / "test.jsonl")


class Made(dict):
    """Datasets, made when they are first asked for: who only reads this file makes none."""

    def __missing__(self, name):
        self[name] = make_dataset(name, 0, ROOT)
        return self[name]


class Texts(dict):
    def __missing__(self, name):
        self[name] = [s.requirement for s in (test if name == "test" else made[name])]
        return self[name]


made, texts = Made(), Texts()
environments = {name: load_environment(ROOT / "environments" / f"{name}.json") for name in ("base", *DOMAINS)}


def _share(samples, feature):
    return Detection(samples).present(feature).count(True) / len(samples)


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.verify) for n in (1, 2))])
@pytest.mark.parametrize("name", RECIPES)
def test_counts_are_the_papers(name, seed):
    samples = made[name] if seed == 0 else make_dataset(name, seed, ROOT)
    flows, examples = TABLE_1[name]
    assert len(samples) == flows
    assert abs(sum(map(populate_inputs, samples)) / examples - 1) < 0.05


@pytest.mark.parametrize("name", RECIPES)
def test_flows_are_sound_and_use_what_is_there(name):
    for s in made[name]:
        flow = s.expected[0]
        assert problems(flow) == [], s.id
        assert unknown_names(flow, environments[s.environment or "base"]) == [], s.id
        assert [c.step for c in flow.components] == list(range(1, len(flow.components) + 1)), s.id


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_made_is_nonsense(name):
    found = [(s.id, n) for s in made[name] for n in nonsense(s, environments[s.environment or "base"])]
    assert found == []


@pytest.mark.parametrize("path", sorted((ROOT / "datasets").glob("*.jsonl")), ids=lambda p: p.stem)
def test_nothing_written_is_nonsense(path):
    found = [(s.id, n) for s in load_samples(path) for n in nonsense(s, environments[s.environment or "base"])]
    assert found == []


def test_each_kind_of_nonsense_is_found_in_what_was_made_before():
    """A sample of the datasets as they were before they were read, for each kind that was found in them."""
    old = load_samples(ROOT / "tests" / "fixtures" / "nonsense.jsonl")
    assert {s.model_extra["kind"] for s in old} == set(CHECKERS)
    for s in old:
        assert s.model_extra["kind"] in {n.kind for n in nonsense(s, environments[s.environment or "base"])}, s.id


@pytest.mark.parametrize("name", RECIPES)
def test_annotations_are_words_of_the_requirement(name):
    for s in made[name]:
        for place, piece in s.expected[0].pieces():
            parts = piece.annotation.split(" ... ")
            assert all(p and p in s.requirement for p in parts), f"{s.id} {place} {piece.annotation!r}"


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_of_the_machinery_shows(name):
    for line in map(json.dumps, map(sample_to_dict, made[name])):
        assert not any(x in line for x in ("\\ue0", "\\ue1", "\\u00a7", "{it}", "{are}", "{s}", "~", "{rec}"))
    for text in texts[name]:
        assert not any(x in text for x in (",,", "..", " ,", "  -  ", "{", "[", "]", " .")), text


def test_same_seed_same_bytes_in_another_process():
    """The datasets of this process, made again in one with another hash seed."""
    code = (
        "import hashlib, json, sys\n"
        "from flowgen_analysis.flows.dataset import sample_to_dict\n"
        "from flowgen_analysis.synthesis.datasets import RECIPES, make_dataset\n"
        "text = json.dumps([sample_to_dict(s) for n in RECIPES for s in make_dataset(n, 0, sys.argv[1])])\n"
        "print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    child = [sys.executable, "-c", code, str(ROOT)]
    done = subprocess.run(
        child, env=os.environ | {"PYTHONHASHSEED": "4242"}, capture_output=True, text=True, check=True
    )
    text = json.dumps([sample_to_dict(s) for name in RECIPES for s in made[name]])
    assert done.stdout.strip() == hashlib.sha256(text.encode()).hexdigest()


def test_another_seed_is_another_dataset():
    assert not set(texts["synthetic"]) >= {s.requirement for s in make_dataset("synthetic", 1, ROOT)}


def test_training_data_lacks_what_the_paper_says_it_lacks():
    for feature in NOT_IN_TRAINING:
        assert _share(made["internal"], feature) == 0, feature
        assert _share(made["synthetic"], feature) == 0, feature
        assert _share(made["ood"], feature) > 0, feature
    assert {s.environment for s in made["internal"] + made["synthetic"]} == {None}


def test_internal_has_the_features_of_test_about_as_often():
    for feature in DETECTED - set(NOT_IN_TRAINING):
        expected, found = _share(test, feature), _share(made["internal"], feature)
        assert expected / 2 <= found <= expected * 2, f"{feature} {found:.3f} {expected:.3f}"


def test_ood_is_ten_domains_of_about_107():
    domains = Counter(s.domain for s in made["ood"])
    assert set(domains) == set(DOMAINS)
    assert set(domains.values()) == {107, 108}
    assert all(s.environment == s.domain for s in made["ood"])


def test_ood_uses_the_steps_and_tables_of_its_deployments():
    """Every sample at least one, and every other one two or more."""
    own = [len(own_names(s.expected[0], environments[s.environment])) for s in made["ood"]]
    assert min(own) >= 1
    assert sum(n >= 2 for n in own) / len(own) >= 0.5
    assert [s.model_extra["own_names"] for s in made["ood"]] == own
    custom = {x.name for n in DOMAINS for x in environments[n].steps}
    used = {c.name for s in made["ood"] for c in s.expected[0].components}
    assert len(custom & used) / len(custom) > 0.85


def test_ood_is_varied():
    flows = [s.expected[0] for s in made["ood"]]
    sizes = sorted(len(f.components) for f in flows)
    assert sizes[0] == 1
    assert sizes[-1] >= 12
    assert 3.5 <= sum(sizes) / len(sizes) <= 6
    assert set(Counter(f.depth for f in flows)) >= {1, 2, 3, 4}
    # TEST, hand-written, has 0.92 by pieces of 108 texts
    assert trigram_diversity(texts["ood"], 108) > 0.8
    assert trigram_diversity(texts["ood"]) > 0.5
    assert len(set(texts["ood"])) == len(texts["ood"])
    assert len(near_duplicates(texts["ood"])) == 0


@pytest.mark.parametrize(
    "pair", [("ood", "test"), ("internal", "test"), ("synthetic", "test"), ("ood", "internal"), ("ood", "synthetic")]
)
def test_nothing_leaks_between_datasets(pair):
    assert near_duplicates(texts[pair[0]], texts[pair[1]], threshold=0.5) == []


def test_what_is_written_can_be_read(tmp_path):
    for folder in ("environments", "scenarios"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (path,) = make_datasets(tmp_path, ["synthetic"], seed=0)
    assert path == tmp_path / "datasets" / "synthetic.jsonl"
    assert load_samples(path) == made["synthetic"]


@pytest.mark.parametrize("name", ["base", *DOMAINS])
def test_scenarios_name_only_what_is_there(name):
    assert list(check_scenario(load_scenario(ROOT, name))) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[incident]", "[incident", "is not TOML"),
        ('one = "incident"', 'one = "incident"\nmoods = ["bad"]', "has 'moods'"),
        (":: stateCHANGESTO6", "", "words :: code"),
        ('table = "incident"', 'table = "incidents"', "which base has not"),
        ("is closed :: stateCHANGESTO7", "is closed :: moodCHANGESTO7", "uses the column 'incident.mood'"),
    ],
)
def test_a_broken_scenario_ends_in_one_line(old, new, message, tmp_path):
    for folder in ("environments", "scenarios"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / "scenarios" / "base.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError) as e:
        make_dataset("internal", 0, tmp_path)
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_no_project_no_dataset(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        make_dataset("ood", 0, tmp_path)


def test_internal_is_worded_more_like_people_than_before():
    """597 words in 108 requirements and 41% of runs of five words said elsewhere, before; TEST, hand-written, has 934 and 1.2%."""
    assert vocabulary(texts["internal"]) > 680
    assert said_elsewhere(texts["internal"]) < 0.36
    assert vocabulary(texts["test"]) > 900
    assert said_elsewhere(texts["test"]) < 0.02
