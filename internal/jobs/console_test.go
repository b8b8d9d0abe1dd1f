package jobs_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store/sqlite"
)

func TestTheConsoleOfTheJobEngineWorksBelowItsPath(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		pool, err := db.OpenPool()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = pool.Close() })
		tryConsole(t, jobs.Options{Pool: pool, InsertOnly: true})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		pool, err := pgxpool.New(t.Context(), pgtest.Open(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		if _, _, err := jobs.Migrate(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		tryConsole(t, jobs.Options{Postgres: pool, InsertOnly: true})
	})
}

func tryConsole(t *testing.T, options jobs.Options) {
	t.Helper()
	engine, err := jobs.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	console, err := engine.Console("/admin/jobs")
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ask := func(method, path, site string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{"ids":["1"]}`))
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		console.ServeHTTP(w, r)
		return w
	}
	page := ask(http.MethodGet, "/admin/jobs/", "same-origin")
	if page.Code != http.StatusOK {
		t.Fatalf("the page answers %d: %s", page.Code, page.Body)
	}
	loaded := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	for _, match := range loaded {
		if !strings.HasPrefix(match[1], "/admin/jobs/") {
			t.Errorf("the page loads %s", match[1])
		} else if got := ask(http.MethodGet, match[1], "same-origin"); got.Code != http.StatusOK {
			t.Errorf("%s answers %d", match[1], got.Code)
		}
	}
	if len(loaded) == 0 {
		t.Error("the page loads nothing")
	}
	for _, path := range []string{"states", "queues?limit=10", "jobs?limit=10"} {
		if got := ask(http.MethodGet, "/admin/jobs/api/"+path, "same-origin"); got.Code != http.StatusOK {
			t.Errorf("%s answers %d: %s", path, got.Code, got.Body)
		}
	}
	if got := ask(http.MethodPost, "/admin/jobs/api/jobs/delete", "cross-site"); got.Code != http.StatusForbidden {
		t.Errorf("another site may delete jobs: %d", got.Code)
	}
	if _, err := engine.Console("/late"); err == nil {
		t.Error("a console that would not count was made after the start")
	}
}
