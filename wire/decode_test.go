package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// good is a transaction that nothing is wrong with.
const good = `{"id":"t1","createdAt":"2026-01-31T12:30:00Z","updatedAt":"2026-01-31T12:31:00Z",` +
	`"currency":"USD/2","type":"PAYIN","status":"SUCCEEDED","amount":"1250"}`

// with puts fields after those of good: of a key given twice the last one counts.
func with(fields string) string { return strings.TrimSuffix(good, "}") + "," + fields + "}" }

// swap gives good with one value written differently.
func swap(old, new string) string { return strings.Replace(good, old, new, 1) }

// one decodes a page of one transaction.
func one(t *testing.T, raw string) Record[Transaction] {
	t.Helper()
	records, err := DecodeTransactions([]byte("[" + raw + "]"))
	if err != nil || len(records) != 1 {
		t.Fatalf("decode %s: %d records, %v", raw, len(records), err)
	}
	return records[0]
}

func TestOneBadRecordNeverCostsItsNeighbours(t *testing.T) {
	bad := []string{
		`7`, `null`, `"text"`, `[]`, `{}`, `true`,
		swap(`"1250"`, `"12.50"`), swap(`"t1"`, `""`), swap(`"t1"`, `{"a":[1,{"b":"c"}]}`),
		with(`"metadata":{"a":{"b":[1]}}`), with(`"metadata":[[],{}]`),
		swap(`"t1"`, "\"\xff\""), swap(`"t1"`, `"\ud800"`),
	}
	for _, raw := range bad {
		records, err := DecodeTransactions([]byte("[ " + good + " , " + raw + ",\n" + good + "]"))
		if err != nil || len(records) != 3 {
			t.Fatalf("%s: %d records, %v", raw, len(records), err)
		}
		if records[0].Err != nil || records[2].Err != nil || records[2].Value.ID != "t1" || records[2].Flaws != nil {
			t.Errorf("%s: its neighbours: %v, %v, %v", raw, records[0].Err, records[2].Err, records[2].Flaws)
		}
		if records[1].Err == nil {
			t.Errorf("%s: was accepted", raw)
		}
		if string(records[1].Raw) != raw {
			t.Errorf("raw is %s, want %s", records[1].Raw, raw)
		}
	}
}

func TestATransactionIsReadFieldByField(t *testing.T) {
	raw := `{"id":"t\u00fc/1","relatedTransactionID":"key 1","createdAt":"2026-01-31T12:30:00.123456+02:00",
		"updatedAt":"2026-01-31T12:31:00Z","currency":"BTC/8","scheme":"SEPA","type":"PAYOUT","status":"DISPUTE_WON",
		"amount":"900719925474099312345678901234","sourceAccountID":"a","destinationAccountID":"b",
		"metadata":{"k":"v","":"\"quoted\""},"unknown":{"deep":[1,2,{"x":null}]}}`
	record := one(t, raw)
	want := Transaction{
		ID: "tü/1", RelatedTransactionID: "key 1",
		CreatedAt: time.Date(2026, 1, 31, 10, 30, 0, 123456000, time.UTC),
		UpdatedAt: time.Date(2026, 1, 31, 12, 31, 0, 0, time.UTC),
		Currency:  "BTC/8", Scheme: "SEPA", Type: TypePayout, Status: StatusDisputeWon,
		Amount: "900719925474099312345678901234", SourceAccountID: "a", DestinationAccountID: "b",
		Metadata: map[string]string{"k": "v", "": `"quoted"`},
	}
	if record.Err != nil || record.Flaws != nil {
		t.Fatal(record.Err, record.Flaws)
	}
	if diff := cmp.Diff(want, record.Value); diff != "" {
		t.Error(diff)
	}
}

func TestTheCaseOfKeysIsIgnored(t *testing.T) {
	record := one(t, `{"ID":"t1","CREATEDAT":"2026-01-31T12:30:00Z","UpdatedAt":"2026-01-31T12:31:00Z",
		"Currency":"JPY/0","Amount":"5","sourceAccountId":"a","destinationaccountid":"b"}`)
	if record.Err != nil || record.Flaws != nil {
		t.Fatal(record.Err, record.Flaws)
	}
	if v := record.Value; v.ID != "t1" || v.SourceAccountID != "a" || v.DestinationAccountID != "b" || v.Amount != "5" {
		t.Errorf("%+v", v)
	}
}

func TestNullMeansAbsent(t *testing.T) {
	record := one(t, with(`"scheme":null,"relatedTransactionID":null,"sourceAccountID":null,"metadata":null`))
	if record.Err != nil || record.Flaws != nil || record.Value.Metadata != nil {
		t.Error(record.Err, record.Flaws, record.Value)
	}
	for _, field := range []string{"id", "createdAt", "updatedAt", "currency", "amount"} {
		start := strings.Index(good, `"`+field+`":`) + len(field) + 3
		stop := start + strings.IndexAny(good[start:], ",}")
		record := one(t, good[:start]+"null"+good[stop:])
		if record.Err == nil || !strings.HasPrefix(record.Err.Error(), field) {
			t.Errorf("%s null: %v", field, record.Err)
		}
	}
}

func TestWhatIsWrongWithARecordIsOneSentence(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for raw, want := range map[string]string{
		swap(`"1250"`, `"12.50"`):                       `amount must be a whole number of minor units in decimal digits: "12.50"`,
		swap(`"1250"`, `"1e3"`):                         `amount must be a whole number of minor units in decimal digits: "1e3"`,
		swap(`"1250"`, `"0x10"`):                        `amount must be a whole number of minor units in decimal digits: "0x10"`,
		swap(`"1250"`, `" 5"`):                          `amount must be a whole number of minor units in decimal digits: " 5"`,
		swap(`"1250"`, `"1_000"`):                       `amount must be a whole number of minor units in decimal digits: "1_000"`,
		swap(`"1250"`, `"-"`):                           `amount must be a whole number of minor units in decimal digits: "-"`,
		swap(`"1250"`, `"٣"`):                           `amount must be a whole number of minor units in decimal digits: "٣"`,
		swap(`"1250"`, `""`):                            `amount must be a whole number of minor units in decimal digits: it is absent or empty`,
		swap(`,"amount":"1250"`, ``):                    `amount must be a whole number of minor units in decimal digits: it is absent or empty`,
		swap(`"1250"`, `1250`):                          `amount must be a whole number of minor units in decimal digits, as a string: 1250`,
		swap(`"1250"`, `["1"]`):                         `amount must be a whole number of minor units in decimal digits, as a string: ["1"]`,
		swap(`"t1"`, `""`):                              `id must be given`,
		swap(`"t1"`, `5`):                               `id must be a string, not the number 5`,
		swap(`"t1"`, `"a\u0000b"`):                      `id must not hold a NUL byte: "a\x00b"`,
		swap(`"t1"`, "\"\xff\""):                        `id must be valid UTF-8: "` + "\uFFFD" + `"`,
		swap(`"t1"`, `"`+long+`"`):                      `id must have at most 1024 bytes, not 10000: "` + long[:40] + `"`,
		swap(`"createdAt":"2026-01-31T12:30:00Z",`, ``): `createdAt must be given`,
		swap(`"2026-01-31T12:30:00Z"`, `"2026-01-31"`):  `createdAt must be a date and time with an offset, such as 2026-01-31T12:30:00Z: "2026-01-31"`,
		swap(`12:31:00Z`, `12:31:00`):                   `updatedAt must be a date and time with an offset, such as 2026-01-31T12:30:00Z: "2026-01-31T12:31:00"`,
		swap(`-31T12:31`, `-32T12:31`):                  `updatedAt must be a date and time with an offset, such as 2026-01-31T12:30:00Z: "2026-01-32T12:31:00Z"`,
		swap(`"updatedAt":"2026-01-31T12:31:00Z"`, `"updatedAt":1769862660`): `updatedAt must be a date and time with an offset, such as 2026-01-31T12:30:00Z: 1769862660`,
		swap(`"USD/2"`, `"usd"`):                         `currency must be an asset such as USD/2, JPY/0 or BTC/8: "usd"`,
		swap(`"USD/2"`, `""`):                            `currency must be given`,
		swap(`"PAYIN"`, `3`):                             `type must be a string, not the number 3`,
		swap(`"SUCCEEDED"`, `{"a":1}`):                   `status must be a string, not a JSON object with the keys a`,
		with(`"metadata":{"n":1}`):                       `metadata value of "n" must be a string, not the number 1`,
		with(`"metadata":"x"`):                           `metadata must be an object of strings, not the string "x"`,
		with(`"sourceAccountID":"` + long + `"`):         `sourceAccountID must have at most 1024 bytes, not 10000: "` + long[:40] + `"`,
		with(`"relatedTransactionID":"\u0000"`):          `relatedTransactionID must not hold a NUL byte: "\x00"`,
		`null`:                                           `a record must be a JSON object, not null`,
		swap(`"1250"`, `"`+strings.Repeat("9", 101)+`"`): `amount must be a whole number of minor units in decimal digits, at most 100: "` + strings.Repeat("9", 40) + `"…`,
	} {
		if got := one(t, raw).Err; got == nil || got.Error() != want {
			t.Errorf("%.200s:\n got %v\nwant %s", raw, got, want)
		}
	}
}

func TestAFlawIsReportedAndTheRecordRead(t *testing.T) {
	for raw, want := range map[string]string{
		swap(`"PAYIN"`, `"payin"`):            `unknown type "payin": read as OTHER`,
		swap(`"SUCCEEDED"`, `"PAID"`):         `unknown status "PAID": read as OTHER`,
		with(`"amount":"1250"`):               `the key "amount" is given twice: the last one counts`,
		with(`"AMOUNT":"1250"`):               `the key "amount" is given twice: the last one counts`,
		with(`"x":1,"x":2`):                   `the key "x" is given twice`,
		with(`"scheme":"a` + "\xff" + `"`):    `scheme is not valid UTF-8: bytes were replaced`,
		with(`"scheme":"\ud800"`):             `scheme is not valid UTF-8: bytes were replaced`,
		with(`"scheme":"a\u0000"`):            `scheme holds a NUL byte: it was replaced`,
		with("\"x\":\"\xff\""):                `text is not valid UTF-8`,
		with(`"metadata":{"a":"1","a":"2"}`):  `metadata has the key "a" twice: the last one counts`,
		with(`"metadata":{"a":null}`):         `metadata value of "a" is null: read as empty`,
		with("\"metadata\":{\"a\":\"\xfe\"}"): `metadata is not valid UTF-8: bytes were replaced`,
		swap(`"SUCCEEDED"`, `" SUCCEEDED"`):   `unknown status " SUCCEEDED": read as OTHER`,
	} {
		record := one(t, raw)
		if record.Err != nil || len(record.Flaws) != 1 || record.Flaws[0] != want {
			t.Errorf("%s:\n got %v, %v\nwant %s", raw, record.Err, record.Flaws, want)
		}
		if record.Value.Amount != "1250" {
			t.Errorf("%s: amount is %s", raw, record.Value.Amount)
		}
	}
}

func TestUnknownIsOtherAndNeverASuccess(t *testing.T) {
	for _, status := range []string{`null`, `""`, `"succeeded"`, `"SUCCESS"`, `"DONE"`} {
		if got := one(t, swap(`"SUCCEEDED"`, status)); got.Err != nil || got.Value.Status != StatusOther {
			t.Errorf("status %s is read as %s, %v", status, got.Value.Status, got.Err)
		}
	}
	if got := one(t, swap(`"type":"PAYIN","status":"SUCCEEDED",`, ``)); got.Err != nil || got.Flaws != nil ||
		got.Value.Status != StatusOther || got.Value.Type != TypeOther {
		t.Errorf("absent type and status: %+v", got)
	}
}

func TestAPageThatIsNoneSaysWhatCameInstead(t *testing.T) {
	deep := "[" + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "]"
	for raw, want := range map[string]string{
		``:                                  `the body is empty, not a JSON list`,
		" \n":                               `the body is empty, not a JSON list`,
		`<!DOCTYPE html><html>`:             `the body is an HTML page, not a JSON list`,
		`<?xml version="1.0"?><a/>`:         `the body is an XML document, not a JSON list`,
		`{"data":[],"meta":{},"next":null}`: `the body is a JSON object with the keys data, meta, next, not a JSON list`,
		`"x"`:                               `the body is the string "x", not a JSON list`,
		`12`:                                `the body is the number 12, not a JSON list`,
		`false`:                             `the body is false, not a JSON list`,
		`upstream error`:                    `the body is no JSON: "upstream error", not a JSON list`,
		`[{"id":"a"},{"id":"b`:              `the body is cut off after 20 bytes, in record 2 of the list`,
		`[{"id":"a"},`:                      `the body is cut off after 12 bytes, in record 2 of the list`,
		`[{"id":"a"}`:                       `the body is cut off after 11 bytes, in record 2 of the list`,
		`[] []`:                             `the body goes on after its end, at byte 2: "[]"`,
		`[{"id":"a"}]<html>`:                `the body goes on after its end, at byte 12: "<html>"`,
		`null null`:                         `the body goes on after its end, at byte 4: "null"`,
		`[{"id":a}]`:                        `record 1 of the list is not readable JSON at byte 7: invalid character 'a' at start of value`,
		deep:                                `record 1 of the list is not readable JSON at byte 10000: exceeded max depth`,
		"[" + strings.Repeat("0,", MaxPageRecords) + "0]": `the list has more than 100000 records: no page is that long`,
	} {
		if _, err := DecodeTransactions([]byte(raw)); err == nil || err.Error() != want {
			t.Errorf("%.60s:\n got %v\nwant %s", raw, err, want)
		}
	}
}

func TestANullListIsEmpty(t *testing.T) {
	for _, raw := range []string{"null", " null\n", "[]", "[ ]"} {
		if records, err := DecodeAccounts([]byte(raw)); err != nil || len(records) != 0 {
			t.Errorf("%s: %v, %v", raw, records, err)
		}
	}
}

func TestRawIsTheExactBytes(t *testing.T) {
	first, second := with("\"note\" : \"\xff \\u00e9\""), "{ \"ID\":\"x\",\n\t\"accountName\" : null }"
	page := []byte(" [\n" + first + "\t,  " + second + " ] ")
	records, err := DecodeAccounts(page)
	if err != nil || string(records[0].Raw) != first || string(records[1].Raw) != second {
		t.Fatalf("%v: %q, %q", err, records[0].Raw, records[1].Raw)
	}
	if !bytes.Contains(page, records[0].Raw) || cap(records[0].Raw) != len(records[0].Raw) {
		t.Error("raw is no bounded part of the page")
	}
}

func TestPeekFindsTheBadRecordsPlace(t *testing.T) {
	record := one(t, swap(`"1250"`, `12.50`))
	id, createdAt, updatedAt := Peek(record.Raw)
	if id != "t1" || createdAt.Minute() != 30 || updatedAt.Minute() != 31 {
		t.Error(id, createdAt, updatedAt)
	}
	for _, raw := range []string{`7`, `{"id":7}`, `{"id":"` + strings.Repeat("x", 2000) + `","createdAt":"never"}`, "{\"id\":\"\xff\"}"} {
		if id, createdAt, updatedAt := Peek([]byte(raw)); id != "" || !createdAt.IsZero() || !updatedAt.IsZero() {
			t.Errorf("%s: %q %v %v", raw, id, createdAt, updatedAt)
		}
	}
}

func TestBalancesAreTrueTogetherOrNotAtAll(t *testing.T) {
	const answer = `{"id":"b","accountID":"a","at":"2026-01-31T12:30:00Z","balances":[{"amount":"-5","currency":"USD/2"},{"amount":"7","currency":"JPY/0"}]}`
	record, err := DecodeBalances([]byte(answer))
	want := []Balance{{"-5", "USD/2"}, {"7", "JPY/0"}}
	if err != nil || record.Err != nil || !cmp.Equal(record.Value.Balances, want) {
		t.Fatal(err, record)
	}
	for bad, want := range map[string]string{
		strings.Replace(answer, `"7"`, `"7.0"`, 1):                     `balances[1]: amount must be a whole number of minor units in decimal digits: "7.0"`,
		strings.Replace(answer, `"USD/2"`, `null`, 1):                  `balances[0]: currency must be given`,
		strings.Replace(answer, `"accountID":"a",`, ``, 1):             `accountID must be given`,
		strings.Replace(answer, `"at"`, `"when"`, 1):                   `at must be given`,
		`{"accountID":"a","at":"2026-01-31T12:30:00Z","balances":{}}`:  `balances must be a list, not a JSON object`,
		`{"accountID":"a","at":"2026-01-31T12:30:00Z","balances":[1]}`: `balances[0]: a record must be a JSON object, not the number 1`,
	} {
		record, err := DecodeBalances([]byte(bad))
		if err != nil || record.Err == nil || record.Err.Error() != want {
			t.Errorf("%s:\n got %v, %v\nwant %s", bad, err, record.Err, want)
		}
	}
	for _, empty := range []string{`,"balances":[]`, `,"balances":null`, ``} {
		record, err := DecodeBalances([]byte(`{"accountID":"a","at":"2026-01-31T12:30:00Z"` + empty + `}`))
		if err != nil || record.Err != nil || len(record.Value.Balances) != 0 {
			t.Error(empty, err, record.Err)
		}
	}
	if _, err := DecodeBalances([]byte(`[]`)); err == nil || err.Error() != "the body is a JSON list, not a JSON object" {
		t.Error(err)
	}
}

func TestPayoutAnswersAreReadLikeTransactions(t *testing.T) {
	const answer = `{"id":"p","idempotencyKey":"k","amount":"5","currency":"USD/2","sourceAccountId":"a","destinationAccountId":"b","status":"PENDING","createdAt":"2026-01-31T12:30:00Z"}`
	record, err := DecodeTransfer([]byte(answer))
	if err != nil || record.Err != nil || record.Flaws != nil || record.Value.IdempotencyKey != "k" || string(record.Raw) != answer {
		t.Fatal(err, record)
	}
	lax, err := DecodePayout([]byte(`{"id":"p","amount":"5","currency":"USD/2","createdAt":"2026-01-31T12:30:00Z"}`))
	if err != nil || lax.Err != nil || lax.Value.Status != StatusOther || len(lax.Flaws) != 1 {
		t.Error(err, lax)
	}
}

func TestPayoutRequestsAreExact(t *testing.T) {
	const request = `{"idempotencyKey":"ref-001","amount":"1000","currency":"USD/2","sourceAccountId":"src","destinationAccountId":"ben","description":"desc","metadata":{"m":"1"}}`
	record, err := DecodePayoutRequest([]byte(request))
	if err != nil || record.Err != nil || record.Flaws != nil {
		t.Fatal(err, record)
	}
	if encoded, err := Encode(record.Value); err != nil || string(encoded) != request {
		t.Errorf("%s, %v", encoded, err)
	}
	for _, amount := range []string{`"0"`, `"-5"`, `"-0"`, `"000"`} {
		bad, _ := DecodeTransferRequest([]byte(strings.Replace(request, `"1000"`, amount, 1)))
		if bad.Err == nil || bad.Err.Error() != "amount must be above zero: "+amount {
			t.Errorf("%s: %v", amount, bad.Err)
		}
	}
	key := strings.Repeat("ü", 1000)
	if record, _ := DecodePayoutRequest([]byte(strings.Replace(request, "ref-001", key, 1))); record.Err != nil {
		t.Error("a key of 1,000 characters:", record.Err)
	}
}

func TestAnErrorBodyIsReadWhateverItsCase(t *testing.T) {
	for raw, want := range map[string]Error{
		`{"Title":"Busy","Detail":"Later."}`: {"Busy", "Later."},
		`{"title":"Busy"}`:                   {"Busy", ""},
		`{"detail":"Later.","x":1}`:          {"", "Later."},
		`{"error":"x"}`:                      {},
		`<html>`:                             {},
		``:                                   {},
		`[]`:                                 {},
	} {
		if got, ok := DecodeError([]byte(raw)); got != want || ok != (want != Error{}) {
			t.Errorf("%s: %v, %v", raw, got, ok)
		}
	}
}

func TestCapabilitiesAreReadBack(t *testing.T) {
	want := Capabilities{Version: Version, PageSizeMax: 1000, Resources: []string{"accounts", "transactions"}}
	encoded, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeCapabilities(encoded)
	if err != nil || !cmp.Equal(got, want) {
		t.Error(got, err)
	}
	for _, bad := range []string{`[]`, `{"pageSizeMax":"x"}`, `{"resources":{}}`, ``} {
		if _, err := DecodeCapabilities([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func ExampleDecodeTransactions() {
	records, err := DecodeTransactions([]byte(`[
		{"id":"t1","createdAt":"2026-01-31T12:30:00Z","updatedAt":"2026-01-31T12:30:00Z","currency":"USD/2","amount":"1250"},
		{"id":"t2","createdAt":"2026-01-31T12:30:00Z","updatedAt":"2026-01-31T12:30:00Z","currency":"USD/2","amount":12.5}
	]`))
	if err != nil {
		fmt.Println("the page:", err)
	}
	for _, record := range records {
		fmt.Println(record.Value.ID, record.Value.Amount, record.Err)
	}
	// Output:
	// t1 1250 <nil>
	// t2  amount must be a whole number of minor units in decimal digits, as a string: 12.5
}
