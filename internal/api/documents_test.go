package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// referencePath is the published document of the v3 form. It belongs to others
// and is not part of this repository; where it is absent, the tests go without.
const referencePath = "../../../shared/reference/payments-openapi.yaml"

var ownDocument = sync.OnceValues(func() (*openapi3.T, error) {
	return openapi3.NewLoader().LoadFromFile("openapi.yaml")
})

var referenceDocument = sync.OnceValues(func() (*openapi3.T, error) {
	if _, err := os.Stat(referencePath); err != nil {
		return nil, nil
	}
	return openapi3.NewLoader().LoadFromFile(referencePath)
})

// checkAgainstDocuments holds an answer against whichever document has its path.
func checkAgainstDocuments(a *answer, method, path string) {
	a.Helper()
	for _, load := range []func() (*openapi3.T, error){ownDocument, referenceDocument} {
		document, err := load()
		if err != nil {
			a.Fatal(err)
		}
		if document == nil {
			continue
		}
		if item := pathItem(document, path); item != nil {
			if operation := item.GetOperation(method); operation != nil {
				checkAgainstOperation(a, document, operation)
			}
			return
		}
	}
}

// pathItem finds a path in a document; one without placeholders goes first.
func pathItem(document *openapi3.T, path string) *openapi3.PathItem {
	path = strings.TrimSuffix(path, "/")
	if item := document.Paths.Value(path); item != nil {
		return item
	}
	given := strings.Split(path, "/")
next:
	for template, item := range document.Paths.Map() {
		wanted := strings.Split(template, "/")
		if len(wanted) != len(given) {
			continue
		}
		for i := range wanted {
			if wanted[i] != given[i] && !strings.HasPrefix(wanted[i], "{") {
				continue next
			}
		}
		return item
	}
	return nil
}

// checkAgainstOperation leaves aside what has no body to check: refusals that
// are made before a request reaches its operation.
func checkAgainstOperation(a *answer, document *openapi3.T, operation *openapi3.Operation) {
	a.Helper()
	response := operation.Responses.Status(a.status)
	if response == nil {
		response = operation.Responses.Default()
	}
	empty := len(a.body) == 0
	if response == nil || empty && (a.status == http.StatusUnauthorized || a.status == http.StatusMethodNotAllowed) {
		return
	}
	media := response.Value.Content.Get(a.header.Get("Content-Type"))
	if media == nil {
		if !empty || len(response.Value.Content) > 0 {
			a.Errorf("%s: the document has no %s for status %d", a.request, a.header.Get("Content-Type"), a.status)
		}
		return
	}
	schema := media.Schema.Value
	if schema.Type.Is("string") {
		return
	}
	if v3 := document.Components.Schemas["V3ErrorResponse"]; v3 != nil && a.status >= http.StatusBadRequest {
		// For a change of the configuration the reference's document names the
		// errors of an older API, which its own server does not keep to.
		schema = v3.Value
	}
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	var body any
	if err := decoder.Decode(&body); err != nil {
		a.Fatalf("%s: %v in %s", a.request, err, a.body)
	}
	err := schema.VisitJSON(body, openapi3.VisitAsResponse(), openapi3.MultiErrors(), openapi3.EnableFormatValidation())
	if err != nil {
		a.Errorf("%s: the answer breaks the document: %v\n%s", a.request, err, a.body)
	}
}

func TestOurOpenAPIDocumentIsValidAndServed(t *testing.T) {
	t.Parallel()
	document, err := ownDocument()
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	served := open(t, nil).get("/openapi.yaml").want(http.StatusOK)
	if !bytes.Equal(served.body, text) {
		t.Error("the document that is served is another one")
	}
}

func TestTheReferencesDocumentIsThere(t *testing.T) {
	t.Parallel()
	if document, err := referenceDocument(); err != nil {
		t.Fatal(err)
	} else if document == nil {
		t.Skipf("%s is not here, so answers in the v3 form are held against golden files only", referencePath)
	}
}
