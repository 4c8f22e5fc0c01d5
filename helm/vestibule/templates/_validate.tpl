{{/* What the schema cannot say: checks over several values, each with what to do. */}}

{{/* Most pods of a service at once: in a rollout the one that surges, and the old ones that still serve. */}}
{{- define "vestibule.pods.max" -}}
{{- $values := include "vestibule.service.values" . | fromYaml -}}
{{ add 1 (mul 2 (ternary $values.autoscaling.maxReplicas $values.replicas $values.autoscaling.enabled)) }}
{{- end }}

{{- define "vestibule.validate" }}
{{- $root := . }}
{{- $needed := int .Values.postgres.reservedConnections }}
{{- range $service, $needs := include "vestibule.architecture" . | fromYaml }}
{{- if $needs.schema }}
{{- $each := add $needs.connections (ternary $root.Values.postgres.poolMax 0 ($needs.pooled | default false)) }}
{{- $needed = add $needed (mul (include "vestibule.pods.max" (dict "root" $root "service" $service)) $each) }}
{{- end }}
{{- end }}
{{- if gt $needed (int .Values.postgres.maxConnections) }}
{{- fail (printf "postgres.maxConnections is %d, but at their most the pods open %d connections (auth-service, user-service and knowledge-service where it is on: twice maxReplicas + 1, because in a rollout the old ones serve on, times postgres.poolMax + 1; health-aggregator: twice replicas + 1, times 3; plus postgres.reservedConnections). Raise max_connections and postgres.maxConnections, or lower poolMax or maxReplicas." (int .Values.postgres.maxConnections) $needed) }}
{{- end }}
{{- $known := include "vestibule.architecture.whole" . | fromYaml }}
{{- range $service := list "auth-service" "gateway" "health-aggregator" "user-service" }}
{{- if not (dig $service "enabled" true $root.Values.services) }}
{{- fail (printf "services.%s.enabled: the system does not work without it. To have none of its pods, set services.%s.autoscaling.enabled to false and services.%s.replicas to 0." $service $service $service) }}
{{- end }}
{{- end }}
{{- $labels := list .Values.commonLabels }}
{{- range $service := keys .Values.services | sortAlpha }}
{{- if not (hasKey $known $service) }}
{{- fail (printf "services.%s is not a service: the services are %s." $service (keys $known | sortAlpha | join ", ")) }}
{{- end }}
{{- $values := include "vestibule.service.values" (dict "root" $root "service" $service) | fromYaml }}
{{- $labels = append $labels $values.podLabels }}
{{- $scaling := $values.autoscaling }}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- fail (printf "autoscaling of %s: minReplicas is %d and maxReplicas %d. Raise maxReplicas or lower minReplicas, in services.%s.autoscaling or defaults.autoscaling." $service (int $scaling.minReplicas) (int $scaling.maxReplicas) $service) }}
{{- end }}
{{- end }}
{{- range $name, $values := merge (dict "defaults" .Values.defaults) .Values.services }}
{{- range $values.extraEnv }}
{{- if eq .name "PROFILE" }}
{{- fail (printf "extraEnv of %s may not have PROFILE: set the value profile, which the chart's own checks and the jobs follow too." $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $given := $labels }}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/part-of" }}
{{- if hasKey ($given | default dict) $label }}
{{- fail (printf "commonLabels and podLabels may not have %s: Services, network policies, the ServiceMonitor or the steps of a restore select by it. Take another key." $label) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.postgres.caSecret (has .Values.postgres.sslMode (list "disable" "allow" "prefer")) }}
{{- fail (printf "postgres.caSecret needs postgres.sslMode verify-full: under %s the certificate of Postgres is not verified." .Values.postgres.sslMode) }}
{{- end }}
{{- if and .Values.redis.caSecret (not .Values.redis.existingSecret) (not (hasPrefix "rediss://" .Values.redis.url)) }}
{{- fail "redis.caSecret needs a redis.url that begins with rediss://: without TLS there is no certificate to verify." }}
{{- end }}
{{- if eq .Values.profile "strict" }}
{{- if not .Values.mtls.enabled }}
{{- fail "profile: strict needs mtls.enabled: no service starts without TLS between the services." }}
{{- end }}
{{- if not (hasPrefix "https://" .Values.config.publicUrl) }}
{{- fail "profile: strict needs a config.publicUrl that begins with https://." }}
{{- end }}
{{- if ne .Values.postgres.sslMode "verify-full" }}
{{- fail "profile: strict needs postgres.sslMode verify-full: no service starts without TLS to Postgres." }}
{{- end }}
{{- if not .Values.redis.existingSecret }}
{{- fail "profile: strict needs redis.existingSecret: a secret whose url is rediss:// with a password." }}
{{- end }}
{{- if hasPrefix "smtp://" .Values.mail.url }}
{{- fail "profile: strict needs a mail.url that begins with smtps:// or smtp+starttls://: no service starts with mails that may go without TLS." }}
{{- end }}
{{- if not .Values.config.rateLimits }}
{{- fail "profile: strict needs config.rateLimits." }}
{{- end }}
{{- if and .Values.audit.retentionYears (lt (int .Values.audit.retentionYears) 6) }}
{{- fail "profile: strict needs an audit.retentionYears of 6 or more, or 0 for ever." }}
{{- end }}
{{- end }}
{{- include "vestibule.validate.urls" . }}
{{- include "vestibule.validate.idle" . }}
{{- if and .Values.knowledge.embeddings.url (not .Values.knowledge.embeddings.model) }}
{{- fail "knowledge.embeddings.url needs knowledge.embeddings.model: the model's name there." }}
{{- end }}
{{- if and .Values.knowledge.languageModel.url (not .Values.knowledge.languageModel.model) }}
{{- fail "knowledge.languageModel.url needs knowledge.languageModel.model: the model's name there." }}
{{- end }}
{{- if index .Values.services "voice-service" "enabled" }}
{{- range $role, $backend := pick .Values.voice "transcriber" "synthesizer" }}
{{- if not $backend.url }}
{{- fail (printf "services.voice-service.enabled needs voice.%s.url: where that backend is." $role) }}
{{- end }}
{{- if and (ne $backend.kind "wyoming") (not $backend.model) }}
{{- fail (printf "voice.%s.kind %s needs voice.%s.model: the model's name there." $role $backend.kind $role) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.audit.export.enabled (not .Values.audit.export.existingClaim) }}
{{- fail "audit.export.enabled needs audit.export.existingClaim: the claim that the files are written to." }}
{{- end }}
{{- if and .Values.gatewayApi.enabled (not .Values.gatewayApi.parentRefs) }}
{{- fail "gatewayApi.enabled needs gatewayApi.parentRefs: the Gateways that the HTTPRoute hangs on." }}
{{- end }}
{{- if and .Values.certManager.enabled .Values.mtls.enabled (not .Values.certManager.internalIssuer.name) }}
{{- fail "certManager.enabled with mtls.enabled needs certManager.internalIssuer.name: who issues the certificates between services." }}
{{- end }}
{{- if and .Values.certManager.enabled .Values.ingress.tls.enabled (not .Values.certManager.publicIssuer.name) }}
{{- fail "certManager.enabled with ingress.tls.enabled needs certManager.publicIssuer.name: who issues the public certificate." }}
{{- end }}
{{- if and .Values.mtls.enabled (not .Values.certManager.enabled) (not .Values.mtls.secretPrefix) }}
{{- fail "mtls.enabled needs mtls.secretPrefix (secrets `<prefix>-<service>` with tls.crt, tls.key and ca.crt), or certManager.enabled." }}
{{- end }}
{{- end }}
