{{/*
What each service calls, where every service is on. NetworkPolicies allow these connections and no others.

package      the package of the protos that it serves
grpc         services that it calls
readyAfter   those of them that its readiness waits for; never two services for each other, since a Service without ready pods has no
             name in DNS
metrics      services whose metrics it reads
backends     what it connects to outside the chart
schema       its schema in Postgres; `owner` migrates it, the service runs as `role`
pooled       whether it has a pool of connections to Postgres of the size in the values
connections  how many connections to Postgres a pod opens besides that pool
environment  prefix of its settings
masterKey    the value under `secrets` that names the secret of its master key
*/}}
{{- define "vestibule.architecture.whole" -}}
gateway:
  grpc: [auth-service, user-service, health-aggregator, knowledge-service, voice-service]
  readyAfter: [auth-service]
  backends: [redis]
auth-service:
  package: vestibule.auth.v1
  grpc: [user-service, health-aggregator, knowledge-service]
  backends: [postgres, redis, smtp, breachedPasswords]
  schema: auth
  pooled: true
  connections: 1
  environment: AUTH
  masterKey: authMasterKey
  owner: auth_owner
  role: auth_service
user-service:
  package: vestibule.users.v1
  grpc: [auth-service, knowledge-service]
  readyAfter: [auth-service]
  backends: [postgres, redis, webhooks]
  schema: users
  pooled: true
  connections: 1
  environment: USERS
  masterKey: usersMasterKey
  owner: users_owner
  role: user_service
health-aggregator:
  package: vestibule.health.v1
  grpc: [auth-service]
  metrics: [gateway, auth-service, user-service, knowledge-service, voice-service]
  backends: [postgres, redis, qdrant, nextcloud, kubernetes]
  schema: health
  connections: 3
  environment: HEALTH
  owner: health_owner
  role: health_aggregator
knowledge-service:
  package: vestibule.knowledge.v1
  grpc: [auth-service, user-service]
  readyAfter: [auth-service]
  backends: [postgres, redis, qdrant, embeddings, languageModel, sources]
  schema: knowledge
  pooled: true
  connections: 1
  environment: KNOWLEDGE
  owner: knowledge_owner
  role: knowledge_service
  masterKey: knowledgeMasterKey
voice-service:
  package: vestibule.voice.v1
  grpc: [auth-service, knowledge-service]
  readyAfter: [auth-service]
  backends: [redis, speech]
  environment: VOICE
{{- end }}

{{/* The same without the optional services that are off. Its keys are the services of this release. */}}
{{- define "vestibule.architecture" -}}
{{- $services := .Values.services }}
{{- $on := dict }}
{{- range $service, $needs := include "vestibule.architecture.whole" . | fromYaml }}
{{- if dig $service "enabled" true $services }}
{{- $_ := set $on $service $needs }}
{{- end }}
{{- end }}
{{- range $needs := $on }}
{{- range $kind := list "grpc" "metrics" }}
{{- $called := list }}
{{- range index $needs $kind }}
{{- if hasKey $on . }}
{{- $called = append $called . }}
{{- end }}
{{- end }}
{{- $_ := set $needs $kind $called }}
{{- end }}
{{- end }}
{{- toYaml $on }}
{{- end }}
