package wire

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

// reference is where the reference's own document lies, beside the checkout,
// for those who have it.
const reference = "../../shared/reference/generic-openapi.yaml"

func TestTheDocumentIsEqualInFormToTheReferences(t *testing.T) {
	theirs, err := os.ReadFile(reference)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the reference's document is not at", reference)
	}
	if err != nil {
		t.Fatal(err)
	}
	want, got := form(t, theirs), form(t, OpenAPI())
	// What Weir adds is optional: a path of its own, what it answers, and the
	// key that the reference sends without saying so.
	delete(got["paths"].(map[string]any), PathCapabilities)
	components := got["components"].(map[string]any)
	delete(components, "securitySchemes")
	delete(components["schemas"].(map[string]any), "Capabilities")
	delete(components["responses"].(map[string]any), "Capabilities")
	delete(got, "security")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryExampleIsValidByTheDocument(t *testing.T) {
	doc := load(t, OpenAPI())
	for _, example := range examples {
		operation := doc.Paths.Value(example.path).GetOperation(example.method)
		var content openapi3.Content
		switch {
		case example.file == "error.json":
			content = operation.Responses.Default().Value.Content
		case strings.HasSuffix(example.file, "-request.json"):
			content = operation.RequestBody.Value.Content
		case example.method == "POST":
			content = operation.Responses.Status(201).Value.Content
		default:
			content = operation.Responses.Status(200).Value.Content
		}
		body, err := os.ReadFile(filepath.Join("testdata", "examples", example.file))
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := json.Unmarshal(body, &value); err != nil {
			t.Fatal(err)
		}
		if err := content.Get("application/json").Schema.Value.VisitJSON(value); err != nil {
			t.Errorf("%s: %v", example.file, err)
		}
	}
}

func TestTheDocumentNamesEveryTypeAndStatus(t *testing.T) {
	schemas := load(t, OpenAPI()).Components.Schemas
	for name, want := range map[string][]any{
		"TransactionType":   anys(TransactionTypes()),
		"TransactionStatus": anys(TransactionStatuses()),
	} {
		if diff := cmp.Diff(want, schemas[name].Value.Enum); diff != "" {
			t.Error(name, diff)
		}
		for _, value := range want {
			if !TransactionType(value.(string)).Known() && !TransactionStatus(value.(string)).Known() {
				t.Errorf("%s is not known", value)
			}
		}
	}
}

func anys[T ~string](values []T) []any {
	out := make([]any, len(values))
	for i, value := range values {
		out[i] = string(value)
	}
	return out
}

// load reads a document and checks that it is one.
func load(t *testing.T, document []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// form is a document without the words that are for people.
func form(t *testing.T, document []byte) map[string]any {
	t.Helper()
	encoded, err := load(t, document).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(encoded, &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc["info"].(map[string]any), "title")
	wordless(doc)
	return doc
}

func wordless(node any) {
	switch node := node.(type) {
	case map[string]any:
		for _, word := range []string{"description", "summary"} {
			if _, text := node[word].(string); text {
				delete(node, word)
			}
		}
		for _, child := range node {
			wordless(child)
		}
	case []any:
		for _, child := range node {
			wordless(child)
		}
	}
}
