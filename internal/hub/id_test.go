package hub

import (
	"encoding"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var generic = ConnectorID{Provider: Provider, Reference: "11111111-2222-4333-8444-555555555555"}

// The examples are those that clients of the reference compute for themselves.
func TestIdentifiersAreTheBytesThatClientsCompute(t *testing.T) {
	payment := PaymentID{Connector: generic, Reference: "tx-001", Type: PayIn}
	at := time.Date(2024, 5, 1, 10, 20, 30, 500_000_000, time.UTC)
	for got, want := range map[string]string{
		generic.String(): "eyJQcm92aWRlciI6ImdlbmVyaWMiLCJSZWZlcmVuY2UiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifQ",
		AccountID{Connector: generic, Reference: "acc-001"}.String(): "eyJDb25uZWN0b3JJRCI6eyJQcm92aWRlciI6ImdlbmVyaWMiLCJSZWZlcmVuY2UiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifSwiUmVmZXJlbmNlIjoiYWNjLTAwMSJ9",
		payment.String(): "eyJDb25uZWN0b3JJRCI6eyJQcm92aWRlciI6ImdlbmVyaWMiLCJSZWZlcmVuY2UiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifSwiUmVmZXJlbmNlIjoidHgtMDAxIiwiVHlwZSI6IlBBWS1JTiJ9",
		PaymentAdjustmentID{Payment: payment, CreatedAt: at, Reference: "tx-001", Status: Succeeded, Version: 1}.String(): "eyJDcmVhdGVkQXQiOiIyMDI0LTA1LTAxVDEwOjIwOjMwLjVaIiwiUGF5bWVudElEIjp7IkNvbm5lY3RvcklEIjp7IlByb3ZpZGVyIjoiZ2VuZXJpYyIsIlJlZmVyZW5jZSI6IjExMTExMTExLTIyMjItNDMzMy04NDQ0LTU1NTU1NTU1NTU1NSJ9LCJSZWZlcmVuY2UiOiJ0eC0wMDEiLCJUeXBlIjoiUEFZLUlOIn0sIlJlZmVyZW5jZSI6InR4LTAwMSIsIlN0YXR1cyI6IlNVQ0NFRURFRCJ9",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// A page of a list has hundreds of them.
func TestWritingAnIdentifierTakesNoMemory(t *testing.T) {
	text := make([]byte, 0, 1024)
	for _, id := range []encoding.TextAppender{
		generic,
		AccountID{Connector: generic, Reference: "acc-001", Type: External},
		PaymentID{Connector: generic, Reference: "tx-001", Type: PayIn},
	} {
		if taken := testing.AllocsPerRun(100, func() { text, _ = id.AppendText(text[:0]) }); taken > 0 {
			t.Errorf("%T takes memory %v times", id, taken)
		}
	}
}

func TestAnAccountsEventKeyIsTheReferences(t *testing.T) {
	a := Account{Version: 1, ID: AccountID{
		Connector: ConnectorID{Provider: Provider, Reference: "fdf6a316-46a2-4b21-8c4f-86128457f6a2"}, Reference: "acc-1",
	}}
	if got, want := a.EventKey(), "42c67a37cf2ade4a8f8bb23c6fb8757c93d239f5"; got != want {
		t.Errorf("key = %s, want %s", got, want)
	}
	first := a.EventKey()
	if a.Version = 2; a.EventKey() == first {
		t.Error("a second version has the key of the first")
	}
}

func TestIdentifiersAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := PaymentID{Connector: generic, Reference: rapid.String().Draw(t, "reference"), Type: Payout}
		if back, err := ParsePaymentID(id.String()); err != nil || back != id {
			t.Fatalf("%q: %v, %v", id.Reference, back, err)
		}
		account := AccountID{Connector: generic, Reference: id.Reference, Type: External}
		if back, err := ParseAccountID(account.String()); err != nil || back != account {
			t.Fatalf("%q: %v, %v", id.Reference, back, err)
		}
	})
}

func TestWhatIsNoIdentifierIsRefused(t *testing.T) {
	for _, text := range []string{"", "!", "e30=", "bm90IGpzb24"} {
		if _, err := ParsePaymentID(text); !errors.Is(err, ErrID) {
			t.Errorf("%q: %v, want ErrID", text, err)
		}
	}
	if id, err := ParseConnectorID("e30"); err != nil || !id.IsZero() {
		t.Errorf("an empty object: %v, %v, want the zero identifier", id, err)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	s := NewSecret("sesame")
	text, err := s.MarshalText()
	if s.String() != "***" || s.GoString() != "***" || string(text) != "***" || err != nil || s.Reveal() != "sesame" {
		t.Errorf("a secret shows itself: %v %s", s, text)
	}
}
