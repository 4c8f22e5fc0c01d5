"""What knowledge-service reads from the environment."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from chassis.addresses import Network
from chassis.auth_client.settings import AuthenticatingSettings
from chassis.master_keys import (
    MASTER_KEYS_ACCEPTED,
    MasterKeysText,
    MasterKeyText,
    master_keys,
    was_drawn_at_random,
)
from chassis.setting_types import BackendKey, GrpcAddress, HttpUrl, comma_separated
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from knowledge_service.domain.passage_index import DIMENSIONS


class KnowledgeSettings(AuthenticatingSettings):
    """The settings of the serving process."""

    model_config = SettingsConfigDict(env_prefix="KNOWLEDGE_")

    postgres_url: SecretStr = Field(
        description="where the schema `knowledge` is, with the runtime role:"
        " postgresql://knowledge_service:…@host/database"
    )
    postgres_pool_size: int = Field(default=10, ge=4, le=100, description="most connections to Postgres")
    master_key: MasterKeyText = Field(
        description="32 secret bytes in base64, which encrypt the documents: `openssl rand -base64 32`"
    )
    master_keys_accepted: MasterKeysText | None = MASTER_KEYS_ACCEPTED
    users_address: GrpcAddress = Field(description="where user-service answers gRPC, as host:port")

    qdrant_url: SecretStr | None = Field(
        default=None,
        validation_alias="QDRANT_URL",
        description="where Qdrant is, which then is the index, at port 6333 unless the URL names another;"
        " without it the index is in Postgres",
    )
    qdrant_api_key: BackendKey | None = Field(
        default=None, description="Qdrant's API key, if it asks for one"
    )
    embeddings_url: HttpUrl | None = Field(
        default=None,
        description="where OpenAI's interface to an embedding model is, usually with `/v1`;"
        " without it documents are found by their words alone",
    )
    embeddings_model: str = Field(default="", description="the model's name there")
    embeddings_dimensions: int = Field(
        default=1536, description=f"the length of its vectors, one of {', '.join(map(str, DIMENSIONS))}"
    )
    embeddings_api_key: BackendKey | None = Field(
        default=None, description="the bearer token, if it asks for one"
    )
    embeddings_query_prefix: str = Field(
        default="", description="what the model wants before a question, such as `query: `"
    )
    embeddings_passage_prefix: str = Field(
        default="", description="what the model wants before a passage, such as `passage: `"
    )
    local_embedder: Literal["on", "off"] = Field(
        default="off",
        description="`on` for a small model in this process, for development: the extra `local-embedder`",
    )

    llm_url: HttpUrl | None = Field(
        default=None,
        description="where OpenAI's interface to a language model is, usually with `/v1`;"
        " without it answers are passages alone",
    )
    llm_model: str = Field(default="", description="the model's name there")
    llm_api_key: BackendKey | None = Field(default=None, description="the bearer token, if it asks for one")
    llm_max_tokens: int = Field(default=1024, ge=16, le=16_384, description="the longest answer, in tokens")

    source_http: Literal["on", "off"] = Field(
        default="off", description="whether sources may have `http` URLs, for tests and closed networks"
    )
    source_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(),
        description="private networks that sources may lead into, such as 10.1.2.0/24, separated by commas",
    )
    source_seconds: float = Field(
        default=900.0, ge=1, description="how long after a source was followed it is followed again"
    )

    _split_list = comma_separated("source_networks")

    @model_validator(mode="after")
    def _is_embedder_whole(self) -> Self:
        if self.embeddings_url is not None and not self.embeddings_model:
            raise ValueError("KNOWLEDGE_EMBEDDINGS_URL needs KNOWLEDGE_EMBEDDINGS_MODEL")
        if self.embeddings_dimensions not in DIMENSIONS:
            raise ValueError(f"KNOWLEDGE_EMBEDDINGS_DIMENSIONS is none of {DIMENSIONS}")
        return self

    @model_validator(mode="after")
    def _is_language_model_whole(self) -> Self:
        if self.llm_url is not None and not self.llm_model:
            raise ValueError("KNOWLEDGE_LLM_URL needs KNOWLEDGE_LLM_MODEL")
        return self

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """The master key itself, and others that are accepted."""
        return master_keys(self.master_key, self.master_keys_accepted)

    def shortcomings(self) -> list[str]:
        """Returns what the strict profile refuses about these settings, one line each."""
        found = super().shortcomings()
        if not self.is_strict:
            return found
        index = self.qdrant_url.get_secret_value() if self.qdrant_url else ""
        backends = {
            "QDRANT_URL": index,
            "KNOWLEDGE_EMBEDDINGS_URL": self.embeddings_url,
            "KNOWLEDGE_LLM_URL": self.llm_url,
        }
        found += [
            f"{name} is not encrypted: passages and questions are patients' data"
            for name, url in backends.items()
            if url and urlsplit(url).scheme != "https"
        ]
        if not all(was_drawn_at_random(key) for key in self.master_keys):
            found.append(
                "KNOWLEDGE_MASTER_KEY is not safe: it was not drawn at random: `openssl rand -base64 32`"
            )
        return found
