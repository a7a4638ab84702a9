"""Any causal language model of transformers as a stream.

One definition for every family: layer 0 is what the first block adds to, with positions and embedding norms where a
family has them; layer i is what leaves block i, before the final norm. It is never read from `output_hidden_states`,
whose lists are as long for every family but mean different things: GPT-2's and LLaMA's begin with the read-in and
end with the normed stream, Mamba's and RWKV's begin after the first block; none holds the last layer as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from probe.capture.description import ModelDescription, OldNames
from probe.capture.hooks import Place, capture, put_first
from probe.capture.huggingface.blocks import cumulative_parameters, flops, layout, letters_of
from probe.capture.huggingface.families import (
    FAMILIES,
    PARALLEL,
    Family,
    candidates,
    positions,
    scaled,
    text_config,
)
from probe.capture.huggingface.scan import use_scan
from probe.errors import ProbeError
from probe.text import reason


class HuggingFaceModel(OldNames):
    """Wraps a causal language model of transformers; the model itself is left as it is.

    A layer of a transformer is one block here, attention and feed-forward together, written ``[AF]``: its residual
    is ``pre`` where the feed-forward reads what attention wrote, and ``parallel`` where both read the same stream.

    Args:
        model: in evaluation mode, on any device.
        name: what sentences call the model.

    Raises:
        ProbeError: if its weights are on the meta device, it fails by itself, or its stream is not found.
    """

    def __init__(self, model: nn.Module, name: str = "the model") -> None:
        if any(parameter.is_meta for parameter in model.parameters()):
            raise ProbeError(
                f"The weights of {name} are on the meta device, but a model that runs was needed. Load it with its "
                "weights, without device_map or init_empty_weights."
            )
        self.model = model
        self.kind = str(cast("Any", model.config).model_type)
        # of a model of images and text, those of its language part
        self.config = text_config(model.config)
        self.width = int(self.config.hidden_size)
        self._longest = 0
        # a setting of RWKV's alone, whatever else a config.json says
        self._every = int(self.config.rescale_every or 0) if self.kind == "rwkv" else 0
        # a family that is known uses all that it has, whether it runs or not
        self._called = set(model.modules()) if self.kind in FAMILIES else self.dry_run(name)
        self._longest = positions(self._called, model, self.config)
        self._find(name)
        self.description = self._describe()

    def run(self, inputs: Tensor) -> Tensor:
        """Returns the logits at every token, ``[batch, time, vocabulary]``.

        Raises:
            ProbeError: if the inputs are longer than the model has positions for.
        """
        time = inputs.shape[1]
        if self._longest and time > self._longest:
            raise _too_long(time, self._longest)
        try:
            logits: Tensor = self.model(input_ids=inputs, use_cache=False, return_dict=True).logits
        except (IndexError, RuntimeError) as error:
            # a table of positions that is not called one
            told = getattr(self.config, "max_position_embeddings", None)
            if isinstance(told, int) and time > told:
                raise _too_long(time, told) from error
            raise
        return logits

    def normalise(self, stream: Tensor) -> Tensor:
        """Returns the stream after the model's final norm."""
        divisor = self._divisor(len(self._blocks))
        normed: Tensor = self._norm(stream if divisor == 1 else stream / divisor)
        return normed

    def decode(self, stream: Tensor) -> Tensor:
        """Returns the logits that the final norm and the head make of a stream."""
        logits: Tensor = self._head(self._exit(self.normalise(stream)))
        return scaled(logits, self.config).float()

    def flops(self, time: int) -> list[int]:
        """Returns the forward floating-point operations for one sequence up to each layer, [blocks + 1]."""
        totals = [0]
        for block in self._blocks:
            totals.append(totals[-1] + flops(block, self.config, time))
        return totals

    def use_kernel(self, backend: str) -> None:
        """Puts our selective scan under every Mamba mixer, on the named backend; other mixers stay as they are.

        ``auto`` and ``reference`` leave, and give back, the model's own code.
        """
        use_scan(self.model, backend)

    @torch.no_grad()
    def dry_run(self, name: str) -> set[nn.Module]:
        """Runs the model on two symbols, as it is, and returns the modules that were called.

        Raises:
            ProbeError: if the model's own forward fails.
        """
        called: set[nn.Module] = set()
        handles = [
            each.register_forward_pre_hook(lambda module, _: called.add(module)) for each in self.model.modules()
        ]
        weight = next(self.model.parameters())
        # in evaluation RWKV's first pass rescales its weights
        self.model.train(self.kind == "rwkv")
        try:
            self.run(torch.zeros(1, 2, dtype=torch.long, device=weight.device))
        except ProbeError:
            raise
        except Exception as error:  # settings that no weight contradicts, and that make no model all the same
            raise ProbeError(
                f"{name} is a {type(self.model).__name__} ({self.kind}) whose own forward fails on two symbols "
                f"({type(error).__name__}: {reason(error)}). Correct its settings, or give another model."
            ) from error
        finally:
            self.model.eval()
            for handle in handles:
                handle.remove()
        return called

    def _find(self, name: str) -> None:
        """Finds the stream: by the table, or where decoding the last layer gives the logits."""
        head = self.model.get_output_embeddings()  # type: ignore[operator]
        known = FAMILIES.get(self.kind)
        for family in [known] if known else candidates(self.model, int(self.config.num_hidden_layers)):
            if head is None:
                break
            self._head: nn.Module = head
            self._follow(family)
            if known or self._decodes():
                return
        raise ProbeError(
            f"{name} is a {type(self.model).__name__} ({self.kind}), in which no list of blocks and final norm were "
            f"found that make its logits. Give a model of a family that is known: {', '.join(FAMILIES)}."
        )

    def _decodes(self) -> bool:
        """Returns whether decoding the last layer gives the model's output, tried on a few tokens."""
        tokens = torch.arange(4, device=self._head.weight.device)  # type: ignore[arg-type]
        try:
            captured = capture(self, tokens[None], tokens)
            with torch.no_grad():
                return torch.equal(self.decode(captured.stream[-1]), captured.output)
        except (AssertionError, AttributeError, RuntimeError, TypeError):
            return False  # a list of something else: never called, called again, or with no stream in it

    def _follow(self, family: Family) -> None:
        """Sets the places where the stream passes, and the modules that decode it."""
        blocks = self.model.get_submodule(family.blocks)
        self._blocks: list[nn.Module] = list(blocks.children())
        self._norm = self.model.get_submodule(family.norm) if family.norm else nn.Identity()
        self._exit = self.model.get_submodule(family.exit) if family.exit else nn.Identity()
        first = Place(f"{family.blocks}.0 (input)", self._blocks[0], "input", _stream)
        if family.entry:
            first = Place(family.entry, self.model.get_submodule(family.entry), "output", _stream)
        entrance = self.model.get_submodule(family.entrance) if family.entrance else None
        exits = [
            Place(f"{family.blocks}.{i}", block, "output", self._reader(i), None if i else entrance, self._writer(i))
            for i, block in enumerate(self._blocks)
        ]
        self.places: Sequence[Place] = [first, *exits]

    def _describe(self) -> ModelDescription:
        letters = tuple(letters_of(block) for block in self._blocks)
        parallel = PARALLEL.get(str(self.config.model_type), lambda config: False)(self.config)
        # a model without a final norm norms inside its blocks, after adding
        residual = "parallel" if parallel else "post" if isinstance(self._norm, nn.Identity) else "pre"
        return ModelDescription(
            layout=layout(letters),
            letters=letters,
            residuals=(residual,) * len(letters),
            inputs=0,
            outputs=len(self._head.weight),  # type: ignore[arg-type]
            symbols=len(self.model.get_input_embeddings().weight),  # type: ignore[operator]
            longest=self._longest,
            parameters=tuple(
                cumulative_parameters(self.model, self._blocks, [self._norm, self._exit, self._head], self._called)
            ),
        )

    def _reader(self, block: int) -> Callable[[Any], Tensor]:
        """Returns a function that reads the stream from a block's input or output."""
        if not self._every:
            return _stream
        return lambda seen: _stream(seen) * self._divisor(block)

    def _writer(self, block: int) -> Callable[[Any, Tensor], Any]:
        """Returns a function that puts a stream back where `_reader` reads it."""
        if not self._every:
            return put_first
        return lambda seen, stream: put_first(seen, stream / self._divisor(block))

    def _divisor(self, blocks: int) -> int:
        """Returns by how much RWKV has divided the stream after so many blocks.

        In evaluation transformers halves it every few blocks, against overflow in half precision, and divides what
        later blocks write likewise: a power of two, so that multiplying brings the stream back to the bit.
        """
        return 1 if self.model.training or not self._every else 2 ** (blocks // self._every)


def _stream(seen: Any) -> Tensor:
    stream: Tensor = seen if isinstance(seen, Tensor) else seen[0]
    return stream


def _too_long(time: int, most: int) -> ProbeError:
    return ProbeError(
        f"A prompt of {time} tokens was given, but the model has positions for {most}. Give shorter prompts."
    )
