{{/* What every container of Weir has in common. */}}
{{- define "weir.container" -}}
image: {{ printf "%s:%s" .Values.image.repository .Values.image.tag | quote }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
env:
  - name: WEIR_STORE
    valueFrom:
      secretKeyRef:
        name: {{ .Values.secret | quote }}
        key: store
  - name: WEIR_ENCRYPTION_KEY_FILE
    value: /run/secrets/weir/encryption.key
  - name: WEIR_API_KEY_FILE
    value: /run/secrets/weir/api.keys
  - name: WEIR_LISTEN
    value: 0.0.0.0:8080
  - name: WEIR_METRICS_LISTEN
    value: 0.0.0.0:9090
  - name: WEIR_LOG_FORMAT
    value: json
  {{- range $name, $value := .Values.environment }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
volumeMounts:
  - name: secrets
    mountPath: /run/secrets/weir
    readOnly: true
{{- end }}

{{/* What every pod of Weir has in common. The files of a Secret belong to root,
     and fsGroup makes them readable by the group that the process is in. */}}
{{- define "weir.pod" -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 20
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
volumes:
  - name: secrets
    secret:
      secretName: {{ .Values.secret | quote }}
      defaultMode: 288 # 0440
      items:
        - { key: encryption.key, path: encryption.key }
        - { key: api.keys, path: api.keys }
{{- end }}

{{/* How Kubernetes sees how a process is. A database that is away is no reason
     to start a process again: it would only come back with cold caches. So the
     liveness asks what needs no database, and the readiness what does. */}}
{{- define "weir.probes" -}}
ports:
  - { name: http, containerPort: 8080 }
  - { name: metrics, containerPort: 9090 }
startupProbe:
  httpGet: { path: /_info, port: http }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /_info, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /_healthcheck, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}
