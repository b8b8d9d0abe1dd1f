package verify

import (
	"context"
	"errors"
	"math/big"

	"github.com/weirhq/weir/wire"
)

// Suggest fills in what the options leave open of a sandbox: the first account
// that holds money, the asset of which it holds the most, the first beneficiary
// and another account that holds the same asset. It only reads. Its error says
// what the service lacks.
func Suggest(ctx context.Context, options Options) (Write, error) {
	if err := options.check(); err != nil {
		return Write{}, err
	}
	rules, err := loadContract()
	if err != nil {
		return Write{}, err
	}
	e := newExam(options, rules)
	for _, l := range []*list{beneficiaries, accounts} {
		e.glance(ctx, l)
	}
	var w Write
	if options.Write != nil {
		w = *options.Write
	}
	return e.complete(ctx, w)
}

// complete fills in what is left open.
func (e *Exam) complete(ctx context.Context, w Write) (Write, error) {
	if w.Amount == "" {
		w.Amount = "1"
	}
	if w.Source == "" || w.Asset == "" || w.Destination == "" {
		e.chooseAccounts(ctx, &w)
	}
	if w.Beneficiary == "" {
		w.Beneficiary = e.sights.beneficiary
	}
	switch {
	case w.Source == "" || w.Asset == "":
		return w, errors.New("no account holds money to pay with: name the sandbox account and its asset")
	case w.Beneficiary == "" && w.Destination == "":
		return w, errors.New("there is nobody to pay to: name a beneficiary of the sandbox, or a second account")
	}
	return w, nil
}

// chooseAccounts takes the first account that holds money.
func (e *Exam) chooseAccounts(ctx context.Context, w *Write) {
	for _, h := range e.readBalances(ctx) {
		if h.err != nil || w.Source != "" && h.account != w.Source {
			continue
		}
		if asset := richest(h.record.Value.Balances, w.Asset); asset != "" {
			w.Source, w.Asset = h.account, asset
			break
		}
	}
	for _, h := range e.readBalances(ctx) {
		if w.Destination != "" || h.err != nil || h.account == w.Source {
			continue
		}
		for _, b := range h.record.Value.Balances {
			if b.Currency == w.Asset {
				w.Destination = h.account
			}
		}
	}
}

// richest is the asset with the largest amount, or the one wanted if there is any of it.
func richest(balances []wire.Balance, wanted string) string {
	asset, most := "", new(big.Int)
	for _, b := range balances {
		n, err := b.Amount.Int()
		if err == nil && n.Cmp(most) > 0 && (wanted == "" || wanted == b.Currency) {
			asset, most = b.Currency, n
		}
	}
	return asset
}
