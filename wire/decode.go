package wire

import "time"

// Record is one record of an answer, read on its own: what is wrong with it
// costs its neighbours nothing.
type Record[T any] struct {
	// Value is what was read. When Err is set it holds only what could be read,
	// and is for finding the record's place, not for use.
	Value T
	// Raw is the record's exact bytes, a part of the page that was decoded: it
	// lives as long as the page, and changes when the page's bytes are changed.
	Raw []byte
	// Err is why the record can't be used, as a sentence that names the field;
	// nil when it can.
	Err error
	// Flaws are what is not as the contract says and was read all the same:
	// a key given twice, text that is not UTF-8, a type or status that the
	// contract does not know. Each is a short sentence.
	Flaws []string
}

// DecodeAccounts reads a page of accounts. Its error says why the page as a
// whole can't be read; a record that can't be used carries its own. A null page
// is an empty one.
func DecodeAccounts(page []byte) ([]Record[Account], error) {
	return list(page, accountFields, finishAccount)
}

// DecodeBeneficiaries reads a page of beneficiaries, as [DecodeAccounts] does accounts.
func DecodeBeneficiaries(page []byte) ([]Record[Beneficiary], error) {
	return list(page, beneficiaryFields, finishBeneficiary)
}

// DecodeTransactions reads a page of transactions, as [DecodeAccounts] does
// accounts. A type or status that is absent or unknown is OTHER.
func DecodeTransactions(page []byte) ([]Record[Transaction], error) {
	return list(page, transactionFields, finishTransaction)
}

// DecodeBalances reads the balances of one account. They are true together or
// not at all: one bad entry makes the whole record unusable.
func DecodeBalances(answer []byte) (Record[Balances], error) {
	return single(answer, balancesFields, finishBalances)
}

// DecodePayout reads the answer to a payout.
func DecodePayout(answer []byte) (Record[Payout], error) {
	return single(answer, payoutFields, finishPayout)
}

// DecodeTransfer reads the answer to a transfer.
func DecodeTransfer(answer []byte) (Record[Transfer], error) {
	record, err := DecodePayout(answer)
	return Record[Transfer]{Transfer(record.Value), record.Raw, record.Err, record.Flaws}, err
}

// DecodePayoutRequest reads the body of POST /payouts. A service should refuse
// a request with flaws too: it moves money, and its sender can mend it.
func DecodePayoutRequest(request []byte) (Record[PayoutRequest], error) {
	return single(request, payoutRequestFields, finishPayoutRequest)
}

// DecodeTransferRequest reads the body of POST /transfers, as [DecodePayoutRequest] does.
func DecodeTransferRequest(request []byte) (Record[TransferRequest], error) {
	record, err := DecodePayoutRequest(request)
	return Record[TransferRequest]{TransferRequest(record.Value), record.Raw, record.Err, record.Flaws}, err
}

// DecodeError reads the body of an answer that is not a success; ok is false
// when it says nothing in the contract's form.
func DecodeError(answer []byte) (e Error, ok bool) {
	record, err := single(answer, errorFields, func(*Error, *scanner) {})
	return record.Value, err == nil && record.Err == nil && record.Value != Error{}
}

// DecodeCapabilities reads the answer of GET /capabilities.
func DecodeCapabilities(answer []byte) (Capabilities, error) {
	record, err := single(answer, capabilitiesFields, func(*Capabilities, *scanner) {})
	if err == nil {
		err = record.Err
	}
	return record.Value, err
}

// Peek finds what places a record in its list, as far as it can be read: its id
// and its stamps. It is for records with an Err; what can't be read is zero.
func Peek(raw []byte) (id string, createdAt, updatedAt time.Time) {
	s := &scanner{text: string(raw)}
	s.begin(raw, tolerant)
	var place Transaction
	placeFields.scan(s, &place)
	if checkID("id", place.ID) != nil {
		place.ID = ""
	}
	return place.ID, place.CreatedAt, place.UpdatedAt
}

// list reads every element of a page on its own.
func list[T any](page []byte, shape fields[T], finish func(*T, *scanner)) ([]Record[T], error) {
	spans, err := elements(page)
	if err != nil {
		return nil, err
	}
	records := make([]Record[T], len(spans))
	s := new(scanner)
	for i, at := range spans {
		records[i].Raw = page[at.start:at.end:at.end]
		decode(s, shape, finish, &records[i])
	}
	return records, nil
}

// single reads an answer that is one object.
func single[T any](answer []byte, shape fields[T], finish func(*T, *scanner)) (record Record[T], err error) {
	record.Raw, err = body(answer)
	if err != nil {
		return record, err
	}
	decode(new(scanner), shape, finish, &record)
	return record, nil
}

// decode reads record.Raw strictly and, where the strict mode objects,
// once more as tolerantly as the reference does, with a flaw that says so.
func decode[T any](s *scanner, shape fields[T], finish func(*T, *scanner), record *Record[T]) {
	s.text = string(record.Raw)
	s.begin(record.Raw, strict)
	shape.scan(s, &record.Value)
	if s.broken != nil {
		why := objection(s.broken)
		record.Value = *new(T)
		s.begin(record.Raw, tolerant)
		shape.scan(s, &record.Value)
		if s.flaws == nil {
			s.flaw("%s", why)
		}
	}
	finish(&record.Value, s)
	record.Err, record.Flaws = s.err, s.flaws
}
