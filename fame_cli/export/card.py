"""The model card of an exported backbone: README.md as the Hugging Face Hub shows it."""

import json
from typing import Any

import tomli_w

from fame_cli.evaluation.comparable import describe_test
from fame_cli.evaluation.leak import leak_note
from fame_cli.evaluation.results import Result
from fame_cli.export.source import Source
from fame_cli.visualization.examples import own_results
from fame_cli.visualization.provenance import method_of

UNKNOWN = "unknown"
"""The Hub's name of a licence that nobody stated."""

TAGS = ["fame-cli", "video", "self-supervised-learning", "video-representation-learning"]


def write_card(source: Source, name: str, license: str) -> str:
    """A model card: how to use the backbone, its data, its recipe, its results and its licence.

    Args:
        source: the backbone and its run.
        name: the model's.
        license: of the weights, as the Hub names it, such as "cc-by-nc-4.0".
    """
    # Results are those of a finished backbone; a checkpoint is of other weights.
    results = [result for _, result in own_results(source.run)] if source.finished else []
    config = source.config
    T, S = config.clip_frames, config.crop_px
    method = method_of(config.to_dict())
    parts = [
        f"---\n{front_matter(name, license, results)}---\n",
        f"# {name}\n",
        f"{config.backbone} pretrained by {method} on videos without labels, with fame-cli. "
        f"{describe_state(source)}\n",
        "## Use\n",
        f"Features (B, {source.backbone.feature_dim}) of clips (B, 3, {T}, {S}, {S}): {T} frames that lie "
        f"{config.frame_stride} apart in the video, RGB in [0, 1]. `normalise` subtracts the mean and "
        "divides by the standard deviation that `config.json` names.\n",
        f"```python\n{usage(source)}```\n",
        "## Data\n",
        f"{describe_data(source)}\n",
        "## Recipe\n",
        "`fame pretrain WORK -o RUN --recipe recipe.toml` repeats it:\n",
        f"```toml\n{tomli_w.dumps({'pretrain': config.to_dict()})}```\n",
        "## Results\n",
        f"{result_table(results)}\n",
        "## Licence\n",
        describe_license(license),
    ]
    return "\n".join(parts)


def front_matter(name: str, license: str, results: list[Result]) -> str:
    """What the Hub reads; values are JSON, which YAML contains."""
    values: dict[str, Any] = {
        "library_name": "fame-cli",
        "license": license,
        "pipeline_tag": "feature-extraction",
        "tags": TAGS,
    }
    if entries := [entry for result in results if (entry := index_entry(result))]:
        values["model-index"] = [{"name": name, "results": entries}]
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())


def index_entry(result: Result) -> dict[str, Any] | None:
    """A result as the Hub lists it; None where the pretraining may have seen what it was tested on."""
    if result.seen_test_videos != 0 or result.related_test_videos:
        return None
    data = str(result.splits.get("source", {}).get("source", "folder"))
    metrics = [
        {"type": "accuracy", "name": f"{result.protocol} {figure}", "value": round(value.percent, 2)}
        for figure, value in result.figures.items()
    ]
    dataset = {"name": describe_test(result), "type": data, "split": result.splits["test"]["name"]}
    return {"task": {"type": "video-classification"}, "dataset": dataset, "metrics": metrics}


def describe_state(source: Source) -> str:
    steps = "" if source.step is None else f" (step {source.step} of {source.total_steps})"
    return f"The training {'is' if source.finished else 'was not'} finished{steps}."


def usage(source: Source) -> str:
    """How to load and call it, in Python."""
    config = source.config
    own = f', "{config.backbone}"' if ":" in config.backbone else ""
    shape = ", ".join(map(str, source.clip_shape))
    return (
        "import torch\n"
        "from fame_cli import load_backbone, normalise\n"
        "from huggingface_hub import snapshot_download\n\n"
        f'backbone, keys = load_backbone(snapshot_download("USER/MODEL"){own})  # or a local folder\n'
        "with torch.no_grad():\n"
        f"    features = backbone.eval()(normalise(torch.rand({shape})))\n"
    )


def describe_data(source: Source) -> str:
    if source.videos is None:
        return "Which videos it learned from is not recorded."
    told = [
        f"{len(part.videos)} videos of {'a folder' if part.source in ('', 'folder') else part.source}"
        for part in source.videos.parts
        if part.videos
    ]
    first, *earlier = told
    split = f"split {source.config.split!r}, " if source.config.split else ""
    before = f" It began with weights that had learned from {', '.join(earlier)}." if earlier else ""
    if any(part.earlier is None for part in source.videos.parts):
        before = " It began with other weights; what those had learned from is not known."
    return f"{first}, {split}without their labels.{before}"


def result_table(results: list[Result]) -> str:
    """Every figure of every evaluation, with what has to be known of it."""
    if not results:
        return "Nothing was evaluated yet."
    lines = ["| evaluation | figure | % | 95 % interval | chance % | test |", "|---|---|---:|---:|---:|---|"]
    notes = []
    for result in results:
        for name, figure in result.figures.items():
            low, high = figure.interval
            cells = [
                result.protocol,
                name,
                f"{figure.percent:.1f}",
                f"{low:.1f} – {high:.1f}",
                f"{figure.chance:.1f}",
                describe_test(result),
            ]
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
        notes += [f"{result.protocol}: {note}" for note in (leak_note(result),) if note]
    return "\n".join([*lines, "", *dict.fromkeys(notes)]).rstrip("\n")


def describe_license(license: str) -> str:
    if license == UNKNOWN:
        return "Not stated. The terms of the videos that it learned from apply as well.\n"
    return f"The weights: {license}. The terms of the videos that it learned from apply as well.\n"
