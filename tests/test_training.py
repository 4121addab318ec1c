"""Training sets as files, and LoRA on a Mistral of a few thousand parameters: on the CPU, offline, made here."""

import hashlib
import json
import subprocess
import sys

import pytest
from shared import ROOT

from flowgen_analysis.cli.main import main
from flowgen_analysis.flows.dataset import load_samples, save_samples
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.replies import read_reply
from flowgen_analysis.generation.learned.learned import plain
from flowgen_analysis.generation.training.lora import LoraSettings, load_lora, train_lora
from flowgen_analysis.generation.training.sets import RECORD
from flowgen_analysis.project import Project, init_project

SAMPLES = load_samples(ROOT / "datasets" / "test.jsonl")


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A project whose INTERNAL is TEST in other words, but for three samples that leaked."""
    project = Project(tmp_path_factory.mktemp("project"))
    init_project(project.root, demo=True)
    other = [s.model_copy(update={"id": f"i-{s.id}", "requirement": f"{s.requirement} Soon."}) for s in SAMPLES[3:40]]
    leaked = [s.model_copy(update={"id": f"i-{s.id}", "requirement": f" {s.requirement.upper()}"}) for s in SAMPLES[:3]]
    save_samples(project.dataset_path("internal"), [*leaked, *other])
    return project


def written(project: Project, folder, *options: str) -> tuple[int, dict]:
    code = main(["training-set", "internal", "-C", str(project.root), "-o", str(folder), *options])
    return code, json.loads((folder / RECORD).read_text()) if code == 0 else {}


def test_every_line_is_right_in_both_forms(project, tmp_path):
    """Each reply reads back strictly, both forms say the same, and what TEST asks is in no file."""
    code, record = written(project, tmp_path / "set", "--validation", "0.2")
    assert code == 0
    chat, completion = (
        {side: lines(tmp_path / "set" / f"{side}.{form}.jsonl") for side in ("train", "validation")}
        for form in ("chat", "completion")
    )
    flows = {f"{s.requirement} Soon.": s.reference for s in SAMPLES}
    outlines, sides = 0, {}
    for side in ("train", "validation"):
        assert len(chat[side]) == len(completion[side]) == record["examples"][side] > 0
        for one, other in zip(chat[side], completion[side], strict=True):
            assert [m["role"] for m in one["messages"]] == ["system", "user", "assistant"]
            assert one["messages"] == [*other["prompt"], *other["completion"]]
            system, user, reply = (m["content"] for m in one["messages"])
            requirement = json.loads(user.rpartition("\n")[2])
            assert sides.setdefault(requirement, side) == side, "a requirement is on one side"
            flow = read_reply(reply, strict=True).flow
            assert flow is not None
            if "Write the outline" in system:
                outlines += 1
                expected = flows[requirement]
                assert [(s.name, s.step, s.block) for s in flow.components] == [
                    (s.name, s.step, s.block) for s in expected.components
                ]
            else:
                by_number = {s.step: s for s in flows[requirement].components}
                assert all(s.inputs == by_number[s.step].inputs for s in flow.components)
    assert outlines == len(sides) == 37
    assert [u["place"] for u in record["left_out"]] == [f"i-{s.id}" for s in SAMPLES[:3]]
    asked = {plain(s.requirement) for s in SAMPLES}
    assert not asked & {plain(r) for r in sides}
    for name, said in record["sha256"].items():
        text = (tmp_path / "set" / name).read_bytes()
        assert hashlib.sha256(text).hexdigest() == said
        assert not any(json.dumps(s.requirement)[1:-1] + '"' in json.loads(f'"{s.id}"') for s in SAMPLES)
    assert record["held_out"] == ["test", "validation"]
    assert {t["template"]: t["n"] for t in record["tokens"]} == {
        "createFlow": 37, "populateInputs": sum(record["examples"].values()) - 37}  # fmt: skip


def test_the_same_seed_writes_the_same_bytes(project, tmp_path):
    runs = [written(project, tmp_path / str(n), *options)[1]["sha256"] for n, options in enumerate(
        [(), (), ("--seed", "1"), ("--perfect-rag",)])]  # fmt: skip
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert runs[0] != runs[3]


def test_what_is_too_long_is_named_and_what_is_measured_on_refused(project, tmp_path, capsys):
    code, record = written(project, tmp_path / "short", "--max-tokens", "1700")
    assert code == 0
    long = [u for u in record["left_out"] if "tokens, over 1700" in u["reason"]]
    assert long
    assert all(t["max"] <= 1700 for t in record["tokens"])
    assert f"left out {1}: " in (out := capsys.readouterr().out) or "left out" in out
    for arguments, said in [
        (["test", "-o", str(tmp_path / "x")], "is what models are measured on"),
        (["internal", "-o", str(tmp_path / "x"), "--validation", "1"], "a share from 0 to below 1"),
        (["internal", "-o", str(tmp_path / "x"), "--max-tokens", "10"], "has no example to train on"),
    ]:
        assert main(["training-set", *arguments, "-C", str(project.root)]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_importing_brings_no_torch():
    """Fine-tuning and the dense retriever are extras: nothing of them is loaded before it is asked for."""
    code = (
        "import sys, flowgen_analysis.generation.training.lora, flowgen_analysis.model_runs;"
        "import flowgen_analysis.generation.retrieval.dense;"
        "print([m for m in ('torch', 'transformers', 'trl', 'peft', 'datasets', 'sentence_transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def tiny(project, tmp_path_factory):
    """A training set of one sample, and a random Mistral with a tokenizer that has read it."""
    for module in ("torch", "trl", "peft", "datasets"):
        pytest.importorskip(module, reason="the extra [train] is not installed")
    import tokenizers
    import transformers

    folder = tmp_path_factory.mktemp("tiny")
    own = Project(folder / "p")
    init_project(own.root, demo=True)
    few = [s for s in project.samples("internal") if s.id.endswith(tuple(x.id for x in SAMPLES[3:6]))][:3]
    save_samples(own.dataset_path("internal"), few)
    assert written(own, folder / "set", "--validation", "0.34", "--seed", "3")[0] == 0
    texts = [m["content"] for line in lines(folder / "set" / "train.chat.jsonl") for m in line["messages"]]
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=1500, special_tokens=["<unk>", "<s>", "</s>"])
    bpe.train_from_iterator(texts, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    config = transformers.MistralConfig(
        vocab_size=len(tokenizer), hidden_size=48, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, head_dim=12, max_position_embeddings=4096, sliding_window=None, initializer_range=0.3,
    )  # fmt: skip
    transformers.set_seed(0)
    transformers.MistralForCausalLM(config).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    return folder


def test_lora_learns_is_saved_and_comes_back(tiny, tmp_path, monkeypatch, capsys):
    """The loss goes down, on replies alone; the adapter is the same when loaded; the record says what made it."""
    import torch

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    settings = LoraSettings(
        base=str(tiny / "base"), rank=8, alpha=32, dropout=0, epochs=10, learning_rate=2e-2, accumulate=1, batch_size=4,
        max_tokens=4096,
    )  # fmt: skip
    told = []
    record = train_lora(tiny / "set", tmp_path / "adapter", settings, lambda done, total: told.append((done, total)))
    assert capsys.readouterr().out == ""
    losses = [loss for _, loss in record["loss"]]
    print(losses[0], losses[-1], record["validation_loss"], record["seconds"], record["trained_parameters"])
    assert sum(losses[-3:]) / 3 < 0.8 * losses[0]
    assert told[-1][0] == told[-1][1] == len(losses)
    assert json.loads((tmp_path / "adapter" / RECORD).read_text()) == record
    assert record["settings"]["rank"] == 8
    assert record["settings"]["learning_rate"] == 2e-2
    said = record["data"]["sha256"]["train.completion.jsonl"]
    assert said == hashlib.sha256((tiny / "set" / "train.completion.jsonl").read_bytes()).hexdigest()
    assert record["examples"]["train"] == len(lines(tiny / "set" / "train.completion.jsonl"))
    assert not list((tmp_path / "adapter").rglob("*.bin")), "weights are stored in a form that cannot run code"
    model, tokenizer = load_lora(tmp_path / "adapter")
    example = lines(tiny / "set" / "train.completion.jsonl")[0]
    prompt = tokenizer.apply_chat_template(example["prompt"], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template([*example["prompt"], *example["completion"]], tokenize=False)
    assert whole == prompt + example["completion"][0]["content"] + "</s>"
    assert prompt.endswith("# Reply\n")

    def loss_of(active) -> float:
        ids = [tokenizer(t, add_special_tokens=False, return_tensors="pt").input_ids for t in (prompt, whole)]
        labels = ids[1].clone()
        labels[:, : ids[0].shape[1]] = -100
        with torch.no_grad():
            return active(input_ids=ids[1], labels=labels).loss.item()

    tuned = loss_of(model)
    with model.disable_adapter():
        before = loss_of(model)
    assert tuned < 0.8 * before
    with pytest.raises(InputError, match="is there already"):
        train_lora(tiny / "set", tmp_path / "adapter", settings)
    with pytest.raises(InputError, match="no example of 64 tokens or fewer"):
        train_lora(tiny / "set", tmp_path / "other", settings.model_copy(update={"max_tokens": 64}))
    with pytest.raises(InputError, match="has no tokenizer"):
        train_lora(tiny / "set", tmp_path / "other", LoraSettings(base=str(tmp_path / "nowhere")))


def test_a_training_set_that_was_changed_is_refused(tiny, tmp_path):
    path = tiny / "set" / "train.completion.jsonl"
    text = path.read_text()
    path.write_text(text + text.splitlines()[0] + "\n")
    with pytest.raises(InputError, match="has changed since it was written"):
        train_lora(tiny / "set", tmp_path / "adapter", LoraSettings(base=str(tiny / "base")))
    path.write_text(text)
