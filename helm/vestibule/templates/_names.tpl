{{/* Names and labels: one word for one thing, from values to Service. */}}

{{- define "vestibule.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "vestibule.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "vestibule.name" .) .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "vestibule.name" .) | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Name of a service's objects. Takes a dict of root and service. */}}
{{- define "vestibule.service.name" -}}
{{ include "vestibule.fullname" .root }}-{{ .service }}
{{- end }}

{{/* A name of an object that Kubernetes bounds. With 35 characters before them, all names fit. Takes a dict of name and limit. */}}
{{- define "vestibule.bounded.name" -}}
{{- if gt (len .name) (int .limit) }}
{{- fail (printf "the name %s has %d characters, and Kubernetes takes %d: set fullnameOverride to at most 35 characters." .name (len .name) (int .limit)) }}
{{- end -}}
{{ .name }}
{{- end }}

{{/* Labels of every object, each once: the chart's, those of all objects, and more. Takes a dict of root, component and more. */}}
{{- define "vestibule.labels" -}}
{{- toYaml (mergeOverwrite (include "vestibule.labels.own" . | fromYaml) .root.Values.commonLabels (.more | default dict)) }}
{{- end }}

{{- define "vestibule.labels.own" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
app.kubernetes.io/part-of: vestibule
{{ include "vestibule.selector" . }}
{{- end }}

{{/* Labels that select a component's pods. Takes a dict of root and component. */}}
{{- define "vestibule.selector" -}}
app.kubernetes.io/name: {{ include "vestibule.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* A service's block over the defaults, as YAML. Takes a dict of root and service. */}}
{{- define "vestibule.service.values" -}}
{{ toYaml (mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (index .root.Values.services .service))) }}
{{- end }}

{{/*
Pods to ask for. Under an autoscaler it is as many as there are, so that no upgrade undoes what it did, and
its fewest at first. A Deployment that was scaled to nothing stays so until it is scaled up: a restore
migrates in between. Takes a dict of root and service.
*/}}
{{- define "vestibule.replicas" -}}
{{- $values := include "vestibule.service.values" . | fromYaml -}}
{{- $there := lookup "apps/v1" "Deployment" .root.Release.Namespace (include "vestibule.service.name" .) -}}
{{- $now := int (dig "spec" "replicas" -1 $there) -}}
{{- if eq $now 0 -}}
0
{{- else if not $values.autoscaling.enabled -}}
{{ $values.replicas | int64 }}
{{- else if and $there (gt $now 0) -}}
{{ $now }}
{{- else -}}
{{ $values.autoscaling.minReplicas | int64 }}
{{- end -}}
{{- end }}

{{/* Image of a service. Takes a dict of root and service. */}}
{{- define "vestibule.image" -}}
{{- $image := .root.Values.image -}}
{{- $service := index .root.Values.services .service -}}
{{- if $service.image -}}
{{ $service.image }}
{{- else -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $service.repository }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end }}

{{/* Name of the secret of a kind: an existing one, or the generated one. Takes a dict of root, existing and suffix. */}}
{{- define "vestibule.secret.name" -}}
{{ default (printf "%s-%s" (include "vestibule.fullname" .root) .suffix) .existing }}
{{- end }}

{{/* Name of a service's certificate secret under mTLS. Takes a dict of root and service. */}}
{{- define "vestibule.mtls.secret" -}}
{{ default (printf "%s-mtls" (include "vestibule.fullname" .root)) .root.Values.mtls.secretPrefix }}-{{ .service }}
{{- end }}
