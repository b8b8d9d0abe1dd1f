package psphttp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/weirhq/weir/sdk/psphttp"
)

// A provider that is busy for a moment is asked again.
func Example() {
	busy := true
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if busy {
			busy = false
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "ready")
	}))
	defer provider.Close()

	client := psphttp.New(psphttp.Options{PerSecond: 20, Burst: 5, Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, provider.URL+"/charges", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := client.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(answer.StatusCode, string(body), err)
	// Output: 200 ready <nil>
}
