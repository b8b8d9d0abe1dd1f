package wire

import (
	_ "embed"
	"slices"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the contract as an OpenAPI 3.0 document in YAML. It is equal
// in form to the reference's own, plus GET /capabilities.
func OpenAPI() []byte { return slices.Clone(openAPI) }
