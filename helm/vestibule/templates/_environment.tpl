{{/* Settings of each service: what is public goes into its ConfigMap, what is secret is named here. */}}

{{- define "vestibule.grpc.address" -}}
{{ include "vestibule.service.name" . }}:{{ (index .root.Values.services .service).ports.grpc }}
{{- end }}

{{/* URL of a role without its password, which comes as PGPASSWORD. Takes a dict of root and role. */}}
{{- define "vestibule.postgres.url" -}}
{{- $postgres := .root.Values.postgres -}}
postgresql://{{ .role }}@{{ $postgres.host }}:{{ $postgres.port }}/{{ $postgres.database }}?sslmode={{ $postgres.sslMode }}
{{- if $postgres.caSecret }}&sslrootcert=/etc/vestibule/postgres/ca.crt
{{- else if hasPrefix "verify" $postgres.sslMode }}&sslrootcert=/etc/ssl/certs/ca-certificates.crt
{{- end }}
{{- end }}

{{/* Public settings of a service, as YAML of strings. Takes a dict of root and service. */}}
{{- define "vestibule.config" -}}
{{- $root := .root -}}
{{- $config := $root.Values.config -}}
{{- $needs := index (include "vestibule.architecture" $root | fromYaml) .service -}}
{{- $values := include "vestibule.service.values" . | fromYaml -}}
{{- $auth := include "vestibule.grpc.address" (dict "root" $root "service" "auth-service") -}}
{{- $users := include "vestibule.grpc.address" (dict "root" $root "service" "user-service") -}}
{{- $health := include "vestibule.grpc.address" (dict "root" $root "service" "health-aggregator") -}}
LOG_FORMAT: json
PROFILE: {{ $root.Values.profile | quote }}
LOG_LEVEL: {{ $config.logLevel | quote }}
SHUTDOWN_GRACE_SECONDS: {{ $values.shutdownGraceSeconds | int64 | quote }}
SHUTDOWN_LINGER_SECONDS: {{ add $config.dnsTtlSeconds 5 | quote }}
TRACE_RATIO: {{ $config.traceRatio | quote }}
{{- with $config.otlpEndpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ . | quote }}
{{- end }}
{{- if not $root.Values.redis.existingSecret }}
REDIS_URL: {{ $root.Values.redis.url | quote }}
{{- end }}
{{- if $root.Values.redis.caSecret }}
REDIS_CA_FILE: /etc/vestibule/redis/ca.crt
{{- end }}
{{- if $root.Values.trust.caSecret }}
SSL_CERT_FILE: /etc/vestibule/trust/ca.crt
OTEL_EXPORTER_OTLP_CERTIFICATE: /etc/vestibule/trust/ca.crt
{{- end }}
{{- if has "auth-service" $needs.grpc }}
TOKEN_ISSUER: {{ $config.publicUrl | quote }}
TOKEN_AUDIENCE: {{ $config.audience | quote }}
{{- end }}
{{- with $needs.environment }}
{{ . }}_GRPC_HOST: 0.0.0.0
{{ . }}_GRPC_PORT: {{ $values.ports.grpc | quote }}
{{ . }}_HTTP_HOST: 0.0.0.0
{{ . }}_HTTP_PORT: {{ $values.ports.http | quote }}
{{- if has "auth-service" $needs.grpc }}
{{ . }}_AUTH_ADDRESS: {{ $auth | quote }}
{{- end }}
{{- if has "user-service" $needs.grpc }}
{{ . }}_USERS_ADDRESS: {{ $users | quote }}
{{- end }}
{{- if has "knowledge-service" $needs.grpc }}
{{ . }}_KNOWLEDGE_ADDRESS: {{ include "vestibule.grpc.address" (dict "root" $root "service" "knowledge-service") | quote }}
{{- end }}
{{- if $needs.schema }}
{{ . }}_POSTGRES_URL: {{ include "vestibule.postgres.url" (dict "root" $root "role" $needs.role) | quote }}
{{- end }}
{{- if $needs.pooled }}
{{ . }}_POSTGRES_POOL_SIZE: {{ $root.Values.postgres.poolMax | int64 | quote }}
{{- end }}
{{- end }}
SERVICE_KEY_FILE: /etc/vestibule/keys/service.key
SERVICE_TRUST_DIR: /etc/vestibule/keys/trust
{{- if $root.Values.mtls.enabled }}
TLS_CERT_FILE: /etc/vestibule/tls/tls.crt
TLS_KEY_FILE: /etc/vestibule/tls/tls.key
TLS_CA_FILE: /etc/vestibule/tls/ca.crt
{{- end }}
{{- if eq .service "gateway" }}
GATEWAY_HOST: 0.0.0.0
GATEWAY_PORT: {{ $values.ports.http | quote }}
GATEWAY_TLS: {{ ternary "on" "off" (hasPrefix "https://" $config.publicUrl) | quote }}
GATEWAY_RATE_LIMITS: {{ ternary "on" "off" $config.rateLimits | quote }}
GATEWAY_CLIENT_LIMIT: {{ $config.clientLimit | int64 | quote }}
GATEWAY_CORS_ORIGINS: {{ join "," $config.corsOrigins | quote }}
GATEWAY_TRUSTED_PROXIES: {{ join "," $config.trustedProxies | quote }}
GATEWAY_FORWARDED_HEADER: {{ $config.forwardedHeader | quote }}
{{- $upstreams := dict }}
{{- range $name, $each := include "vestibule.architecture" $root | fromYaml }}
{{- with $each.package }}
{{- $_ := set $upstreams . (dict "address" (include "vestibule.grpc.address" (dict "root" $root "service" $name))) }}
{{- end }}
{{- end }}
GATEWAY_UPSTREAMS: {{ $upstreams | toJson | quote }}
{{- else if eq .service "auth-service" }}
AUTH_ISSUER: {{ $config.publicUrl | quote }}
{{- if $root.Values.audit.retentionYears }}
AUTH_AUDIT_RETENTION_YEARS: {{ $root.Values.audit.retentionYears | int64 | quote }}
{{- end }}
AUTH_AUDIENCE: {{ $config.audience | quote }}
AUTH_NOTIFY_SECOND_FACTOR_GUESSES: {{ ternary "on" "off" $root.Values.mail.notify.secondFactorGuesses | quote }}
AUTH_NOTIFY_NEW_DEVICE: {{ ternary "on" "off" $root.Values.mail.notify.newDevice | quote }}
AUTH_VERIFIED_EMAIL: {{ ternary "on" "off" $root.Values.mail.verifiedAddress | quote }}
{{- if $root.Values.breachedPasswords.existingClaim }}
AUTH_BREACHED_PASSWORDS_FILE: {{ printf "/etc/vestibule/breached/%s" $root.Values.breachedPasswords.file | quote }}
{{- end }}
{{- with $root.Values.breachedPasswords.url }}
AUTH_BREACHED_PASSWORDS_URL: {{ . | quote }}
{{- end }}
AUTH_WITNESS_ADDRESS: {{ $health | quote }}
{{- with $root.Values.mail.from }}
AUTH_MAIL_FROM: {{ . | quote }}
{{- end }}
{{- if and $root.Values.mail.url (not $root.Values.mail.existingSecret) }}
SMTP_URL: {{ $root.Values.mail.url | quote }}
{{- end }}
{{- if $root.Values.mail.caSecret }}
SMTP_CA_FILE: /etc/vestibule/mail/ca.crt
{{- end }}
{{- else if eq .service "knowledge-service" }}
{{- with $root.Values.knowledge.embeddings }}
{{- if .url }}
KNOWLEDGE_EMBEDDINGS_URL: {{ .url | quote }}
KNOWLEDGE_EMBEDDINGS_MODEL: {{ .model | quote }}
KNOWLEDGE_EMBEDDINGS_DIMENSIONS: {{ .dimensions | int64 | quote }}
KNOWLEDGE_EMBEDDINGS_QUERY_PREFIX: {{ .queryPrefix | quote }}
KNOWLEDGE_EMBEDDINGS_PASSAGE_PREFIX: {{ .passagePrefix | quote }}
{{- end }}
{{- end }}
{{- with $root.Values.knowledge.sources.networks }}
KNOWLEDGE_SOURCE_NETWORKS: {{ join "," . | quote }}
{{- end }}
{{- with $root.Values.knowledge.languageModel }}
{{- if .url }}
KNOWLEDGE_LLM_URL: {{ .url | quote }}
KNOWLEDGE_LLM_MODEL: {{ .model | quote }}
KNOWLEDGE_LLM_MAX_TOKENS: {{ .maxTokens | int64 | quote }}
{{- end }}
{{- end }}
{{- with $config.qdrantUrl }}
QDRANT_URL: {{ . | quote }}
{{- end }}
{{- else if eq .service "voice-service" }}
{{- range $role, $backend := pick $root.Values.voice "transcriber" "synthesizer" }}
VOICE_{{ upper $role }}: {{ $backend.kind | quote }}
VOICE_{{ upper $role }}_URL: {{ $backend.url | quote }}
{{- with $backend.model }}
VOICE_{{ upper $role }}_MODEL: {{ . | quote }}
{{- end }}
{{- end }}
VOICE_SYNTHESIZER_SAMPLE_RATE: {{ $root.Values.voice.synthesizer.sampleRate | int64 | quote }}
{{- with $root.Values.voice.languages }}
VOICE_LANGUAGES: {{ join "," . | quote }}
{{- end }}
VOICE_VOICES: {{ join "," $root.Values.voice.voices | quote }}
{{- else if eq .service "health-aggregator" }}
{{- $endpoints := dict .service (printf "127.0.0.1:%v" $values.ports.http) }}
{{- range $needs.metrics }}
{{- $_ := set $endpoints . (printf "%s:%v" (include "vestibule.service.name" (dict "root" $root "service" .)) (index $root.Values.services .).ports.http) }}
{{- end }}
HEALTH_METRICS: {{ toJson $endpoints | quote }}
{{- with $config.qdrantUrl }}
QDRANT_URL: {{ . | quote }}
{{- end }}
{{- with $config.nextcloudUrl }}
NEXTCLOUD_URL: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Secret with the key that all services of the last release share; empty when there is none. */}}
{{- define "vestibule.shared.key" -}}
{{- $generated := printf "%s-service-key" (include "vestibule.fullname" .) -}}
{{- if .Values.secrets.serviceKey -}}
{{ .Values.secrets.serviceKey }}
{{- else if lookup "v1" "Secret" .Release.Namespace $generated -}}
{{ $generated }}
{{- end -}}
{{- end }}

{{- define "vestibule.secretEnv.password" -}}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "vestibule.secret.name" (dict "root" .root "existing" .root.Values.postgres.existingSecret "suffix" "postgres") | quote }}
      key: {{ .role }}
{{- end }}

{{/* Secret settings of a service, as entries of `env`. Takes a dict of root and service. */}}
{{- define "vestibule.secretEnv" -}}
{{- $root := .root -}}
{{- $needs := index (include "vestibule.architecture" $root | fromYaml) .service -}}
{{- with include "vestibule.shared.key" $root }}
- name: SERVICE_KEY
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: SERVICE_KEY
{{- end }}
{{- with $root.Values.redis.existingSecret }}
- name: REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: {{ ternary $.service "url" $root.Values.redis.userPerService }}
{{- end }}
{{- with $needs.role }}
{{ include "vestibule.secretEnv.password" (dict "root" $root "role" .) }}
{{- end }}
{{- with $needs.masterKey }}
{{- $secret := include "vestibule.secret.name" (dict "root" $root "existing" (index $root.Values.secrets .) "suffix" (kebabcase .)) }}
- name: {{ $needs.environment }}_MASTER_KEY
  valueFrom:
    secretKeyRef:
      name: {{ $secret | quote }}
      key: {{ $needs.environment }}_MASTER_KEY
- name: {{ $needs.environment }}_MASTER_KEYS_ACCEPTED
  valueFrom:
    secretKeyRef:
      name: {{ $secret | quote }}
      key: {{ $needs.environment }}_MASTER_KEYS_ACCEPTED
      optional: true
{{- end }}
{{- if eq .service "voice-service" }}
{{- range $role, $backend := pick $root.Values.voice "transcriber" "synthesizer" }}
{{- with $backend.existingSecret }}
- name: VOICE_{{ upper $role }}_KEY
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: apiKey
{{- end }}
{{- end }}
{{- end }}
{{- if eq .service "knowledge-service" }}
{{- range $setting, $secret := dict "EMBEDDINGS" $root.Values.knowledge.embeddings.existingSecret "LLM" $root.Values.knowledge.languageModel.existingSecret "QDRANT" $root.Values.knowledge.qdrantSecret }}
{{- with $secret }}
- name: KNOWLEDGE_{{ $setting }}_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: apiKey
{{- end }}
{{- end }}
{{- end }}
{{- if eq .service "auth-service" }}
{{- with $root.Values.mail.existingSecret }}
- name: SMTP_URL
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: url
{{- end }}
{{- with $root.Values.secrets.bootstrapAdmin }}
- name: BOOTSTRAP_ADMIN_EMAIL
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: email
- name: BOOTSTRAP_ADMIN_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: password
{{- end }}
{{- end }}
{{- end }}
