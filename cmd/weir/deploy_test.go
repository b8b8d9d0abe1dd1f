package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"gopkg.in/yaml.v3"
)

// repository is the module's root, seen from here.
const repository = "../.."

func repositoryFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// deploymentFiles lists the files that somebody deploys, and those that tell how.
func deploymentFiles(t *testing.T) []string {
	t.Helper()
	files := []string{"Dockerfile", "docs/operations.md"}
	err := filepath.WalkDir(filepath.Join(repository, "deploy"), func(path string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && entry.Name() == "secrets" {
			return fs.SkipDir // somebody has made his own
		}
		if err == nil && !entry.IsDir() {
			path, err = filepath.Rel(repository, path)
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	// typedCommand is a command line of a document: in a block, after an
	// assignment of variables or sudo, or between backquotes.
	typedCommand = regexp.MustCompile("(?m)(?:^ *|[`|] ?|&& |sudo |^[A-Z_]+=\\S+ )weir ([a-z][^`|\n]*)")
	// unitCommand is the one of a unit.
	unitCommand = regexp.MustCompile(`(?m)^ExecStart=\S*/weir (.*)$`)
	// jsonCommand is a list of words in a Dockerfile, a compose file or a chart.
	jsonCommand = regexp.MustCompile(`(?m)(?:CMD|ENTRYPOINT|args:|command:|test:) (\[.*\])`)
	setVariable = regexp.MustCompile(`\bWEIR_[A-Z_]+`)
)

// commandsOf finds the command lines of weir in a file, each as its words.
func commandsOf(text string) [][]string {
	var commands [][]string
	for _, line := range append(unitCommand.FindAllStringSubmatch(text, -1), typedCommand.FindAllStringSubmatch(text, -1)...) {
		words := strings.Fields(regexp.MustCompile(` (?:[&>]|&&)( .*)?$`).ReplaceAllString(line[1], ""))
		if !slices.Contains([]string{"is", "lives"}, words[0]) { // a sentence
			commands = append(commands, words)
		}
	}
	for _, list := range jsonCommand.FindAllStringSubmatch(text, -1) {
		var words []string
		if err := json.Unmarshal([]byte(list[1]), &words); err != nil || len(words) == 0 {
			continue // no list of words: the healthcheck of something else
		}
		words = slices.DeleteFunc(words, func(word string) bool { return word == "/weir" || word == "CMD" })
		if len(words) > 0 && words[0] != "pg_isready" {
			commands = append(commands, words)
		}
	}
	return commands
}

func TestEveryCommandOfTheDeploymentIsOneThatTheProgramTakes(t *testing.T) {
	known := settingsOf(newCommand())
	found := 0
	for _, file := range deploymentFiles(t) {
		text := repositoryFile(t, file)
		for _, words := range commandsOf(text) {
			found++
			c, rest, err := newCommand().Find(words)
			if err == nil {
				err = c.ParseFlags(rest)
			}
			if err == nil && !c.HasSubCommands() && len(c.Flags().Args()) > 0 {
				err = c.ValidateArgs(c.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: weir %s: %v", file, strings.Join(words, " "), err)
			}
		}
		for _, name := range setVariable.FindAllString(text, -1) {
			isKnown := slices.ContainsFunc(known, func(setting string) bool { return variable(setting) == name })
			if !isKnown && name != "WEIR_IMAGE" && name != "WEIR_" {
				t.Errorf("%s: there is no setting %s", file, name)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d command lines were found; does the search still find them?", found)
	}
}

// documents decodes every document of a YAML file.
func documents(t *testing.T, name, text string) []map[string]any {
	t.Helper()
	var all []map[string]any
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var document map[string]any
		err := decoder.Decode(&document)
		if err != nil && err.Error() == "EOF" {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		if document != nil {
			all = append(all, document)
		}
	}
}

// at follows keys from map to map; nil where one is missing.
func at(document any, keys ...string) any {
	for _, key := range keys {
		entries, ok := document.(map[string]any)
		if !ok {
			return nil
		}
		document = entries[key]
	}
	return document
}

func TestEveryFileOfTheDeploymentCanBeRead(t *testing.T) {
	for _, file := range deploymentFiles(t) {
		text := repositoryFile(t, file)
		switch {
		case strings.Contains(file, "templates"): // they become YAML when they are rendered
		case filepath.Ext(file) == ".yaml":
			if len(documents(t, file, text)) != 1 {
				t.Errorf("%s holds no document, or several", file)
			}
		case filepath.Ext(file) == ".json":
			if !json.Valid([]byte(text)) {
				t.Errorf("%s is no JSON", file)
			}
		}
	}
}

func TestTheImageHoldsTheProgramAloneAndRunsAsNobody(t *testing.T) {
	text := repositoryFile(t, "Dockerfile")
	stages := strings.Split(text, "\nFROM ")
	last := stages[len(stages)-1]
	if len(stages) != 3 || !strings.HasPrefix(last, "scratch\n") {
		t.Errorf("want two stages, the last from scratch; there are %d, the last is\n%s", len(stages)-1, last)
	}
	for _, want := range []string{
		"\nUSER 65532:65532\n", "/ca-certificates.crt", "\nENTRYPOINT [\"/weir\"]\n", "\nENV TMPDIR=/var/lib/weir\n",
		"\nHEALTHCHECK ", "\nSTOPSIGNAL SIGTERM\n", "--chown=65532:65532",
	} {
		if !strings.Contains(last, want) {
			t.Errorf("the image lacks %q", want)
		}
	}
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "-X main.version=${VERSION}", "ARG VERSION"} {
		if !strings.Contains(text, want) {
			t.Errorf("the build lacks %q", want)
		}
	}
	if regexp.MustCompile(`(?i)https?://|goproxy|curl|wget|apt-get|latest`).MatchString(text) {
		t.Error("the build fetches something beside the modules, or moves with a tag")
	}
	if !strings.Contains(text, "golang:"+goVersion(t)+"-") {
		t.Errorf("the image is not built with Go %s, which go.mod asks for", goVersion(t))
	}
}

// goVersion is the Go that go.mod asks for, without its patch.
func goVersion(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(repositoryFile(t, "go.mod"))
	return found[1]
}

func TestComposeRunsOneAPITwoWorkersAndAMigrationBeforeThem(t *testing.T) {
	compose := documents(t, "compose.yaml", repositoryFile(t, "deploy/compose.yaml"))[0]
	if replicas := at(compose, "services", "worker", "deploy", "replicas"); replicas != 2 {
		t.Errorf("there are %v workers", replicas)
	}
	for _, name := range []string{"migrate", "api", "worker"} {
		service := at(compose, "services", name)
		if at(service, "read_only") != true || at(service, "user") != "65532:65532" {
			t.Errorf("%s may write, or is somebody: %v", name, service)
		}
		if needs := at(service, "depends_on", "migrate", "condition"); name != "migrate" && needs != "service_completed_successfully" {
			t.Errorf("%s does not wait for the migration: %v", name, needs)
		}
		address, _ := at(service, "environment", "WEIR_STORE").(string)
		if regexp.MustCompile(`//[^@/]*:[^@/]*@`).MatchString(address) || !strings.Contains(address, "passfile=/run/secrets/") {
			t.Errorf("%s has a password in its environment: %q", name, address)
		}
	}
	services, _ := at(compose, "services").(map[string]any)
	for name, service := range services {
		ports, _ := at(service, "ports").([]any)
		for _, port := range ports {
			if text, _ := port.(string); !strings.HasPrefix(text, "127.0.0.1:") {
				t.Errorf("%s publishes %v to others than this machine", name, port)
			}
		}
	}
	secrets, _ := at(compose, "secrets").(map[string]any)
	for name, secret := range secrets {
		if file, _ := at(secret, "file").(string); file != "./secrets/"+name {
			t.Errorf("the secret %s is no file of its name: %v", name, secret)
		}
	}
}

func TestTheUnitIsAsHardAsSystemdCanMakeIt(t *testing.T) {
	text := repositoryFile(t, "deploy/weir.service")
	for _, want := range []string{
		"DynamicUser=yes", "StateDirectory=weir", "ProtectSystem=strict", "ProtectHome=yes", "NoNewPrivileges=yes", "PrivateDevices=yes",
		"PrivateTmp=yes", "CapabilityBoundingSet=", "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service",
		"LoadCredential=encryption.key:/etc/weir/encryption.key", "KillSignal=SIGTERM", "TimeoutStopSec=15", "Restart=on-failure",
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("the unit lacks %s", want)
		}
	}
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("the rest needs systemd-analyze, which is not here")
	}
	unit := filepath.Join(t.TempDir(), "weir.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(text, "/usr/local/bin/weir ", "/bin/true ")), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.CommandContext(t.Context(), program, "verify", "--man=no", unit).CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("systemd says: %v\n%s", err, said)
	}
}

// render makes of the chart what helm makes of it, with the few functions of
// helm's that the templates use.
func render(t *testing.T, change func(values map[string]any)) map[string][]map[string]any {
	t.Helper()
	values := documents(t, "values.yaml", repositoryFile(t, "deploy/helm/weir/values.yaml"))[0]
	if change != nil {
		change(values)
	}
	chart := template.New("").Option("missingkey=error")
	chart.Funcs(template.FuncMap{
		"quote":  func(v any) (string, error) { text, err := json.Marshal(v); return string(text), err },
		"toJson": func(v any) (string, error) { text, err := json.Marshal(v); return string(text), err },
		"nindent": func(n int, text string) string {
			return "\n" + strings.Repeat(" ", n) + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", n))
		},
		"include": func(name string, data any) (string, error) {
			var out strings.Builder
			err := chart.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
	})
	files, err := filepath.Glob(filepath.Join(repository, "deploy", "helm", "weir", "templates", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chart.ParseFiles(files...); err != nil {
		t.Fatal(err)
	}
	rendered := map[string][]map[string]any{}
	for _, file := range files {
		var out strings.Builder
		name := filepath.Base(file)
		if err := chart.ExecuteTemplate(&out, name, map[string]any{"Values": values, "Release": map[string]any{"Name": "rel"}}); err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) == ".yaml" {
			rendered[name] = documents(t, name, out.String())
		}
	}
	return rendered
}

func TestTheChartRendersToWhatKubernetesTakes(t *testing.T) {
	chart := render(t, func(values map[string]any) {
		values["environment"] = map[string]any{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
	})
	for name, all := range chart {
		for _, document := range all {
			for _, key := range []string{"apiVersion", "kind", "metadata"} {
				if document[key] == nil {
					t.Errorf("%s has no %s: %v", name, key, document)
				}
			}
		}
	}
	for _, name := range []string{"api.yaml", "worker.yaml", "migrate.yaml"} {
		checkPod(t, name, at(chart[name][0], "spec", "template", "spec"))
	}
	if hook := at(chart["migrate.yaml"][0], "metadata", "annotations", "helm.sh/hook"); hook != "pre-install,pre-upgrade" {
		t.Errorf("the migration is run at %v", hook)
	}
	for _, name := range []string{"api.yaml", "worker.yaml"} {
		deployment, budget := chart[name][0], chart[name][1]
		labels := at(deployment, "spec", "template", "metadata", "labels")
		for _, selector := range []any{at(deployment, "spec", "selector", "matchLabels"), at(budget, "spec", "selector", "matchLabels")} {
			if text, want := yamlOf(t, selector), yamlOf(t, labels); text != want {
				t.Errorf("%s selects %s, its pods are %s", name, text, want)
			}
		}
		if budget["kind"] != "PodDisruptionBudget" || at(deployment, "spec", "replicas") != 2 {
			t.Errorf("%s: %v with %v processes", name, budget["kind"], at(deployment, "spec", "replicas"))
		}
	}
	service, pods := at(chart["service.yaml"][0], "spec", "selector"), at(chart["api.yaml"][0], "spec", "template", "metadata", "labels")
	if yamlOf(t, service) != yamlOf(t, pods) {
		t.Errorf("the service selects %v, the API's pods are %v", service, pods)
	}
}

// checkPod checks who a pod is, what it may do, and how it is asked how it is.
func checkPod(t *testing.T, name string, pod any) {
	t.Helper()
	if at(pod, "securityContext", "runAsNonRoot") != true || at(pod, "automountServiceAccountToken") != false {
		t.Errorf("%s: %v", name, at(pod, "securityContext"))
	}
	containers, _ := at(pod, "containers").([]any)
	if len(containers) != 1 {
		t.Fatalf("%s has the containers %v", name, containers)
	}
	container := containers[0]
	if at(container, "securityContext", "readOnlyRootFilesystem") != true || at(container, "securityContext", "allowPrivilegeEscalation") != false {
		t.Errorf("%s: %v", name, at(container, "securityContext"))
	}
	if !strings.Contains(yamlOf(t, at(container, "env")), "OTEL_EXPORTER_OTLP_ENDPOINT") {
		t.Errorf("%s does not get the values' environment", name)
	}
	if name == "migrate.yaml" {
		return
	}
	for probe, path := range map[string]string{"livenessProbe": "/_info", "startupProbe": "/_info", "readinessProbe": "/_healthcheck"} {
		if got := at(container, probe, "httpGet", "path"); got != path {
			t.Errorf("%s: the %s asks %v, want %s", name, probe, got, path)
		}
	}
}

func yamlOf(t *testing.T, v any) string {
	t.Helper()
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
