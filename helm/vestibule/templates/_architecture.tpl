{{/*
The arrows of the architecture: what each service calls. NetworkPolicies open these and no others.
`grpc` names services, `readyAfter` those of them that readiness waits for (in no ring: a Service
without ready pods has no name in DNS), `metrics` those whose figures are drawn, `backends` parts outside the chart. `connections` are those to Postgres that a
pod opens besides its pool (`pooled`): the relay's, or the aggregator's few. `package` is what a service
serves of the protos, `environment` the prefix of its settings.
*/}}
{{- define "vestibule.architecture" -}}
gateway:
  grpc: [auth-service, user-service, health-aggregator]
  readyAfter: [auth-service]
  backends: [redis]
auth-service:
  package: vestibule.auth.v1
  grpc: [user-service, health-aggregator]
  backends: [postgres, redis, smtp, breachedPasswords]
  schema: auth
  pooled: true
  connections: 1
  environment: AUTH
  owner: auth_owner
  role: auth_service
user-service:
  package: vestibule.users.v1
  grpc: [auth-service]
  readyAfter: [auth-service]
  backends: [postgres, redis]
  schema: users
  pooled: true
  connections: 1
  environment: USERS
  owner: users_owner
  role: user_service
health-aggregator:
  package: vestibule.health.v1
  grpc: [auth-service]
  metrics: [gateway, auth-service, user-service]
  backends: [postgres, redis, qdrant, nextcloud, kubernetes]
  schema: health
  connections: 3
  environment: HEALTH
  owner: health_owner
  role: health_aggregator
{{- end }}
