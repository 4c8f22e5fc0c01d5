{{/*
The arrows of the architecture: what each service calls. NetworkPolicies open these and no others.
`grpc` names services, `http` services whose HTTP port is asked, `backends` parts outside the chart.
*/}}
{{- define "vestibule.architecture" -}}
gateway:
  grpc: [auth-service, user-service, health-aggregator]
  backends: [redis]
auth-service:
  grpc: [user-service]
  backends: [postgres, redis]
  schema: auth
  environment: AUTH
  owner: auth_owner
  role: auth_service
user-service:
  grpc: [auth-service]
  backends: [postgres, redis]
  schema: users
  environment: USERS
  owner: users_owner
  role: user_service
health-aggregator:
  grpc: [auth-service, user-service]
  http: [gateway]
  backends: [postgres, redis, qdrant, nextcloud, kubernetes]
  schema: health
  environment: HEALTH
  owner: health_owner
  role: health_aggregator
{{- end }}
