{{/* Where backends are: the ports of their URLs, for the network policies, and what the schema cannot refuse about them. */}}

{{/* Port of a URL, or else the one that the services connect to for its scheme. */}}
{{- define "vestibule.url.port" -}}
{{- $url := urlParse . -}}
{{- $explicit := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (get (dict "https" "443" "http" "80" "wss" "443" "ws" "80" "redis" "6379" "rediss" "6379" "smtp" "587" "smtp+starttls" "587" "smtps" "465") $url.scheme) $explicit -}}
{{- end }}

{{- define "vestibule.redis.port" -}}
{{- if .Values.redis.existingSecret }}{{ .Values.redis.port }}{{ else }}{{ include "vestibule.url.port" .Values.redis.url }}{{ end -}}
{{- end }}

{{- define "vestibule.smtp.port" -}}
{{- if .Values.mail.existingSecret }}{{ .Values.mail.port }}{{ else }}{{ include "vestibule.url.port" .Values.mail.url }}{{ end -}}
{{- end }}

{{/* A URL without a port leads to Qdrant's own one, whatever its scheme, as in Qdrant's client. */}}
{{- define "vestibule.qdrant.port" -}}
{{- default "6333" (regexFind ":[0-9]+$" (urlParse .Values.config.qdrantUrl).host | trimPrefix ":") -}}
{{- end }}

{{- define "vestibule.validate.urls" }}
{{- with .Values.config.otlpEndpoint }}
{{- if not (regexMatch ":[0-9]+$" (urlParse .).host) }}
{{- fail "config.otlpEndpoint names no port: OTLP by gRPC has no default that every program shares. It is usually 4317, as in http://collector:4317." }}
{{- end }}
{{- end }}
{{- end }}
