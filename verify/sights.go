package verify

import (
	"strings"

	"github.com/weirhq/weir/wire"
)

// sights is what the walks have shown that more than one check judges by.
type sights struct {
	order  map[*list]*ordering
	grain  map[*list]*grain
	probed map[*list]*probed
	future map[*list]*sheet
	// oddAccounts are account ids with characters that are hard on a path.
	oddAccounts []string
	// accountIDs are the first accounts, whose balances are asked for.
	accountIDs []string
	// beneficiary is the first of its list.
	beneficiary string
	// ids are the hashes of the ids of each list.
	ids map[*list]map[uint64]bool
	// links are the rows that name others, in a bounded number.
	links []link
	// precisions are the assets seen, by their code.
	precisions map[string]map[string]string
	signs      map[wire.TransactionType]*signs
	// hundreds counts the amounts of assets with decimals, and those that are round.
	amountsSeen, hundreds int
	// likeness finds movements of the same amount, day and text, by their ids.
	likeness map[uint64]uint64
	likes    int
}

const (
	// balancesMax is how many accounts are asked for their balances.
	balancesMax = 20
	oddMax      = 3
	// linksMax bounds the rows that are remembered for what they name.
	linksMax = 200_000
	// likenessMax bounds the movements that are compared with each other.
	likenessMax = 20_000
)

// link is a transaction that names an account, a beneficiary or another
// transaction. It holds no text: a word of a row would keep the whole row.
type link struct {
	id, source, destination, related uint64
	page                             int32
	payout, transfer, refund         bool
}

type signs struct {
	plus, minus int
	first       string
}

func newSights() *sights {
	return &sights{
		order: map[*list]*ordering{}, grain: map[*list]*grain{}, probed: map[*list]*probed{}, future: map[*list]*sheet{},
		ids:        map[*list]map[uint64]bool{accounts: {}, beneficiaries: {}},
		precisions: map[string]map[string]string{}, signs: map[wire.TransactionType]*signs{},
		likeness: map[uint64]uint64{},
	}
}

// see remembers what later checks judge by.
func (s *sights) see(r *record) {
	if s.grain[r.list] == nil {
		s.grain[r.list] = &grain{}
	}
	s.grain[r.list].see(r.stamp())
	if known := s.ids[r.list]; known != nil && r.id != "" {
		known[hash(r.id)] = true
	}
	if t := r.transaction; t != nil && r.err == nil && len(s.links) < linksMax &&
		t.RelatedTransactionID+t.SourceAccountID+t.DestinationAccountID != "" {
		s.links = append(s.links, link{
			id: hash(r.id), source: hashOf(t.SourceAccountID), destination: hashOf(t.DestinationAccountID),
			related: hashOf(t.RelatedTransactionID), page: int32(r.page), //nolint:gosec // bounded
			payout: t.Type == wire.TypePayout, transfer: t.Type == wire.TypeTransfer, refund: t.Status == wire.StatusRefunded,
		})
	}
	if r.list == beneficiaries && s.beneficiary == "" {
		s.beneficiary = r.id
	}
	if r.list == accounts && r.id != "" {
		if strings.ContainsFunc(r.id, oddInPath) && len(s.oddAccounts) < oddMax {
			s.oddAccounts = append(s.oddAccounts, r.id)
		}
		if len(s.accountIDs) < balancesMax {
			s.accountIDs = append(s.accountIDs, r.id)
		}
	}
}

func oddInPath(c rune) bool { return strings.ContainsRune("/?#%&+ ;", c) || c > '~' }

// hashOf is the hash of an identifier, zero where there is none.
func hashOf(id string) uint64 {
	if id == "" {
		return 0
	}
	return hash(id)
}
