"""Builds the adapters that the settings name; what each needs is imported only then."""

from contextlib import AsyncExitStack

from chassis.lifecycle import Lifecycle
from chassis.postgres.pool import Pool

from knowledge_service.adapters.postgres.pgvector_index import PgvectorIndex, require_extension
from knowledge_service.domain.embedder import Embedder
from knowledge_service.domain.language_model import LanguageModel
from knowledge_service.domain.passage_index import DIMENSIONS, PassageIndex
from knowledge_service.settings import KnowledgeSettings


async def open_embedder(lifecycle: Lifecycle, settings: KnowledgeSettings) -> Embedder | None:
    """Returns the embedder that the settings name, or None."""
    if settings.embeddings_url is not None:
        from knowledge_service.adapters.openai_embedder import open_openai_embedder  # noqa: PLC0415

        key = settings.embeddings_api_key
        return await lifecycle.enter(
            open_openai_embedder(
                settings.embeddings_url,
                api_key=None if key is None else key.get_secret_value(),
                model=settings.embeddings_model,
                dimensions=settings.embeddings_dimensions,
                query_prefix=settings.embeddings_query_prefix,
                passage_prefix=settings.embeddings_passage_prefix,
            )
        )
    if settings.local_embedder == "on":
        from knowledge_service.adapters.onnx_embedder import OnnxEmbedder  # noqa: PLC0415

        local = OnnxEmbedder()
        resources = AsyncExitStack()
        resources.callback(local.close)
        await lifecycle.enter(resources)
        return local
    return None


async def open_language_model(lifecycle: Lifecycle, settings: KnowledgeSettings) -> LanguageModel | None:
    """Returns the language model that the settings name, or None."""
    if settings.llm_url is None:
        return None
    from knowledge_service.adapters.openai_language_model import open_openai_language_model  # noqa: PLC0415

    key = settings.llm_api_key
    return await lifecycle.enter(
        open_openai_language_model(
            settings.llm_url,
            api_key=None if key is None else key.get_secret_value(),
            model=settings.llm_model,
            max_tokens=settings.llm_max_tokens,
        )
    )


async def open_index(
    lifecycle: Lifecycle, settings: KnowledgeSettings, pool: Pool, embedder: Embedder | None
) -> PassageIndex:
    """Returns the index: Qdrant where there is one, else Postgres.

    Raises:
        StartupRefused: Postgres lacks the extension for it.
    """
    model = "" if embedder is None else embedder.model
    dimensions = DIMENSIONS[0] if embedder is None else embedder.dimensions
    if settings.qdrant_url is None:
        await require_extension(pool)
        return PgvectorIndex(pool, model=model, dimensions=dimensions)
    from knowledge_service.adapters.qdrant_index import open_qdrant_index  # noqa: PLC0415 - 80 MB

    key = settings.qdrant_api_key
    return await lifecycle.enter(
        open_qdrant_index(
            settings.qdrant_url.get_secret_value(),
            api_key=None if key is None else key.get_secret_value(),
            model=model,
            dimensions=dimensions,
        )
    )
