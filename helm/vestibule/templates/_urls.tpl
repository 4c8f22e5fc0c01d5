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

{{/* Every URL of the values, by the path of its value; empty where none is given. */}}
{{- define "vestibule.urls" -}}
{{- $urls := dict "redis.url" .Values.redis.url "mail.url" .Values.mail.url "breachedPasswords.url" .Values.breachedPasswords.url }}
{{- range $name, $url := pick .Values.config "publicUrl" "otlpEndpoint" "qdrantUrl" "nextcloudUrl" }}
{{- $_ := set $urls (printf "config.%s" $name) $url }}
{{- end }}
{{- range $name, $backend := pick .Values.knowledge "embeddings" "languageModel" }}
{{- $_ := set $urls (printf "knowledge.%s.url" $name) $backend.url }}
{{- end }}
{{- range $name, $backend := pick .Values.voice "transcriber" "synthesizer" }}
{{- $_ := set $urls (printf "voice.%s.url" $name) $backend.url }}
{{- end }}
{{- toYaml $urls }}
{{- end }}

{{- define "vestibule.validate.urls" }}
{{- $strict := eq .Values.profile "strict" }}
{{- /* What the strict profile has checks of its own for, and what no patients' data goes to. */}}
{{- $elsewhere := list "redis.url" "mail.url" "config.publicUrl" "config.nextcloudUrl" }}
{{- range $name, $url := include "vestibule.urls" . | fromYaml }}
{{- if $url }}
{{- if regexMatch "^[^/]*//[^/?#]*@" $url }}
{{- fail (printf "%s has a user or a password before an @, which a ConfigMap would show: leave them out. What asks for a key has a value that names a secret, such as existingSecret." $name) }}
{{- end }}
{{- $port := include "vestibule.url.port" $url | int }}
{{- if or (lt $port 1) (gt $port 65535) }}
{{- fail (printf "%s has a port that is none: ports are 1 to 65535. Correct it." $name) }}
{{- end }}
{{- if and $strict (not (has $name $elsewhere)) (not (regexMatch "^(https|wss)://" $url)) }}
{{- fail (printf "profile: strict needs a %s that begins with https:// (or wss://, where that is its API), or none: what goes there would not be encrypted." $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.config.otlpEndpoint }}
{{- if not (regexMatch ":[0-9]+$" (urlParse .).host) }}
{{- fail "config.otlpEndpoint names no port: OTLP by gRPC has no default that every program shares. It is usually 4317, as in http://collector:4317." }}
{{- end }}
{{- end }}
{{- if contains "password=" .Values.redis.url }}
{{- fail "redis.url has a password, which a ConfigMap would show: put the URL into a secret under the key `url`, and name the secret in redis.existingSecret." }}
{{- end }}
{{- if regexMatch "[?&#/@]" .Values.postgres.database }}
{{- fail "postgres.database is a name within a URL that a ConfigMap shows, without ?, &, #, / or @: passwords are in postgres.existingSecret, and TLS is postgres.sslMode." }}
{{- end }}
{{- end }}

{{/* Values that would do nothing beside the others. */}}
{{- define "vestibule.validate.idle" }}
{{- if not .Values.redis.existingSecret }}
{{- if ne (int .Values.redis.port) 6379 }}
{{- fail "redis.port is the port of the Redis of redis.existingSecret, which is empty: put the port into redis.url." }}
{{- end }}
{{- if .Values.redis.userPerService }}
{{- fail "redis.userPerService needs redis.existingSecret: the secret with a URL for each service." }}
{{- end }}
{{- end }}
{{- if not .Values.mail.existingSecret }}
{{- if ne (int .Values.mail.port) 587 }}
{{- fail "mail.port is the port of the server of mail.existingSecret, which is empty: put the port into mail.url." }}
{{- end }}
{{- if and .Values.mail.caSecret (not .Values.mail.url) }}
{{- fail "mail.caSecret needs mail.url or mail.existingSecret: without a mail server there is no certificate to verify." }}
{{- end }}
{{- end }}
{{- end }}
