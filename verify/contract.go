package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/weirhq/weir/wire"
)

// contract is the contract's own document, against which a sample of what is
// sent and answered is validated by a library that others maintain. Our own
// checks look at every row; two readings of one document rarely share a mistake.
type contract struct{ document *openapi3.T }

// sampled of each list are validated: the first ones, and then one in so many,
// up to a bound, because a schema costs a hundred times what a decoder does.
const (
	sampledFirst = 100
	sampledOneIn = 97
	sampledMax   = 400
)

var loadDocument = sync.OnceValues(func() (*openapi3.T, error) {
	document, err := openapi3.NewLoader().LoadFromData(wire.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("verify: read the contract's document: %w", err)
	}
	return document, nil
})

func loadContract() (*contract, error) {
	document, err := loadDocument()
	return &contract{document}, err
}

// schemaOf is the name of the schema of each list's rows.
var schemaOf = map[*list]string{accounts: "Account", beneficiaries: "Beneficiary", transactions: "Transaction"}

// objection says what the document has against a body, or nothing.
func (c *contract) objection(schema string, body []byte) string {
	ref := c.document.Components.Schemas[schema]
	if ref == nil {
		return ""
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return "it is no JSON"
	}
	err := ref.Value.VisitJSON(value, openapi3.EnableFormatValidation())
	if err == nil {
		return ""
	}
	var broken *openapi3.SchemaError
	if errors.As(err, &broken) {
		if field := strings.Join(broken.JSONPointer(), "."); field != "" {
			return clip(field+": "+broken.Reason, 160)
		}
		return clip(broken.Reason, 160)
	}
	return clip(err.Error(), 160)
}

// sample reports whether the row with this number is to be validated.
func sample(number int) bool {
	return number < sampledFirst || number%sampledOneIn == 0 && number/sampledOneIn < sampledMax
}
