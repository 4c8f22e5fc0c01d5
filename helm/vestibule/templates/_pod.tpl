{{/* What every pod of the chart shares, hooks and tests included: PodSecurity `restricted`. */}}

{{- define "vestibule.pod.security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "vestibule.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ not .writable }}
capabilities:
  drop: [ALL]
{{- end }}

{{/*
Choices that checkov would otherwise report, each with its reason. Takes a dict of token and probeless.
*/}}
{{- define "vestibule.choices" -}}
checkov.io/skip1: CKV_K8S_11=A CPU limit throttles a pod while cores are idle; requests share them fairly
checkov.io/skip2: CKV_K8S_15=Tags of a release do not move, and a digest can be given
checkov.io/skip3: CKV_K8S_43=services.<name>.image takes a digest; the chart cannot know those of your registry
checkov.io/skip4: CKV_K8S_35=The settings are environment variables; key pairs and certificates are files
{{- if .token }}
checkov.io/skip5: CKV_K8S_38=The aggregator alone reads pods and endpoints of its namespace
{{- end }}
{{- if .probeless }}
checkov.io/skip5: CKV_K8S_8=It runs to its end
checkov.io/skip6: CKV_K8S_9=It runs to its end
{{- end }}
{{- end }}

{{- define "vestibule.pull" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The affinity that the values give, and one preference per key of `spreadOver`. Not topology spread constraints: of
those the scheduler ignores each node that lacks one of the labels, so that without zones pods would not spread at all.
Takes a dict of values and names.
*/}}
{{- define "vestibule.affinity" -}}
{{- $affinity := deepCopy .values.affinity }}
{{- $anti := $affinity.podAntiAffinity | default dict }}
{{- $preferred := $anti.preferredDuringSchedulingIgnoredDuringExecution | default list }}
{{- $labels := include "vestibule.selector" .names | fromYaml }}
{{- range .values.spreadOver }}
{{- /* Per revision, so that a rollout does not count the old pods. */}}
{{- $term := dict "topologyKey" . "matchLabelKeys" (list "pod-template-hash") "labelSelector" (dict "matchLabels" $labels) }}
{{- $preferred = append $preferred (dict "weight" 100 "podAffinityTerm" $term) }}
{{- end }}
{{- if $preferred }}
{{- $_ := set $anti "preferredDuringSchedulingIgnoredDuringExecution" $preferred }}
{{- $_ := set $affinity "podAntiAffinity" $anti }}
{{- end }}
{{- toYaml $affinity }}
{{- end }}

{{/* Where pods may run, and which come first. Takes the values of a service, or the defaults. */}}
{{- define "vestibule.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with index $ $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Secrets with the authorities of backends that a component calls by TLS, by backend. Takes a dict of root and component. */}}
{{- define "vestibule.authorities" -}}
{{- with .root.Values.postgres.caSecret }}
postgres: {{ . | quote }}
{{- end }}
{{- if not (has .component (list "migration" "audit")) }}
{{- with .root.Values.redis.caSecret }}
redis: {{ . | quote }}
{{- end }}
{{- with .root.Values.trust.caSecret }}
trust: {{ . | quote }}
{{- end }}
{{- end }}
{{- if eq .component "auth-service" }}
{{- with .root.Values.mail.caSecret }}
mail: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Mounts of a service's container. Takes a dict of root and service. */}}
{{- define "vestibule.mounts" -}}
{{- if not (has .component (list "migration" "audit")) }}
- name: service-keys
  mountPath: /etc/vestibule/keys
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- if and (eq .component "auth-service") .root.Values.breachedPasswords.existingClaim }}
- name: breached-passwords
  mountPath: /etc/vestibule/breached
  readOnly: true
{{- end }}
{{- range $backend, $_ := include "vestibule.authorities" . | fromYaml }}
- name: {{ $backend }}-ca
  mountPath: /etc/vestibule/{{ $backend }}
  readOnly: true
{{- end }}
{{- if and .root.Values.mtls.enabled (not (has .component (list "migration" "audit"))) }}
- name: certificates
  mountPath: /etc/vestibule/tls
  readOnly: true
{{- end }}
{{- end }}

{{/* Volumes of a service's pod: of the key pairs, its own private key and the public keys of all. Takes a dict of root and service. */}}
{{- define "vestibule.volumes" -}}
{{- if not (has .component (list "migration" "audit")) }}
- name: service-keys
  secret:
    secretName: {{ include "vestibule.secret.name" (dict "root" .root "existing" .root.Values.secrets.serviceKeys "suffix" "service-keys") | quote }}
    defaultMode: 0440
    items:
      - {key: {{ .service }}.key, path: service.key}
      {{- range $service := keys (include "vestibule.architecture" .root | fromYaml) | sortAlpha }}
      - {key: {{ $service }}.pem, path: trust/{{ $service }}.pem}
      {{- end }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 16Mi
{{- if eq .component "auth-service" }}
{{- with .root.Values.breachedPasswords.existingClaim }}
- name: breached-passwords
  persistentVolumeClaim:
    claimName: {{ . | quote }}
    readOnly: true
{{- end }}
{{- end }}
{{- range $backend, $secret := include "vestibule.authorities" . | fromYaml }}
- name: {{ $backend }}-ca
  secret:
    secretName: {{ $secret | quote }}
    defaultMode: 0440
    items:
      - {key: ca.crt, path: ca.crt}
{{- end }}
{{- if and .root.Values.mtls.enabled (not (has .component (list "migration" "audit"))) }}
- name: certificates
  secret:
    secretName: {{ include "vestibule.mtls.secret" . }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{/*
Probes. Start-up is strict: a pod joins when everything it needs is there. Readiness is lenient:
it speaks for the process alone, so an outage of Postgres does not empty the Service. Liveness does no I/O.
The kubelet speaks gRPC without TLS only, so under mTLS readiness is asked over HTTP.
*/}}
{{- define "vestibule.probes" -}}
startupProbe:
  httpGet:
    path: /ready
    port: http
  # A start takes some two seconds; each probe before that would be a warning.
  initialDelaySeconds: 3
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
readinessProbe:
{{- if and .grpc (not .root.Values.mtls.enabled) }}
  grpc:
    port: {{ .grpc }}
{{- else }}
  httpGet:
    path: /ready
    port: http
{{- end }}
  periodSeconds: 5
  # A node whose cores are busy with starts answers late.
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet:
    path: /health
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
