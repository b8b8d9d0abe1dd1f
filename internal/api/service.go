package api

import (
	_ "embed"
	"log/slog"
	"net/http"
)

// openAPIDocument describes what Weir adds to the v3 form.
//
//go:embed openapi.yaml
var openAPIDocument []byte

func (a *api) info(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
		Debug   bool   `json:"debug"`
	}{a.Version, false})
}

// healthcheck runs every check and names those that fail.
func (a *api) healthcheck(w http.ResponseWriter, r *http.Request) error {
	status := http.StatusOK
	results := map[string]string{}
	for name, check := range a.Checks {
		results[name] = "OK"
		if err := check(r.Context()); err != nil {
			// Whoever asks need not have a key, and the reason names machines and users.
			results[name] = "it does not work; the log says why"
			status = http.StatusInternalServerError
			a.Logger.LogAttrs(r.Context(), slog.LevelError, "health check failed", slog.String("check", name), slog.String("error", err.Error()))
		}
	}
	return writeJSON(w, status, results)
}

func (a *api) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openAPIDocument)
	return nil
}
