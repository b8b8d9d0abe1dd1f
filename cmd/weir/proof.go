package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/simulator"
)

// A proof holds both sides of everything: what the PSP has, what the core stored.
type proof struct {
	resources []comparison
	// quarantined are the records in quarantine, poisoned those that the PSP can't
	// show readably; strays are what only one side knows.
	quarantined []hub.Rejection
	poisoned    []simulator.Poisoned
	strays      []string
	noticed     []string
}

type comparison struct {
	resource  hub.Resource
	psp, core simulator.Digest
}

func (p *proof) equal() bool {
	return len(p.strays) == 0 && !slices.ContainsFunc(p.resources, func(c comparison) bool { return c.psp != c.core })
}

// compare makes the proof as things stand now.
func (d *demo) compare(ctx context.Context) (*proof, error) {
	p := &proof{poisoned: d.psp.Poisoned()}
	for _, resource := range hub.Resources() {
		core, err := d.coreDigest(ctx, resource)
		if err != nil {
			return nil, err
		}
		p.resources = append(p.resources, comparison{resource, simulator.DigestOf(inOrder(resource, d.psp.Records(string(resource)))), core})
		stream := hub.StreamID{Connector: d.connector, Resource: resource}
		page := hub.Page[hub.Rejection]{HasMore: true}
		for query := (hub.ListQuery{Limit: connectorsPage}); page.HasMore; query.At = page.Last {
			if page, err = d.node.store.Rejections(ctx, stream, query, true); err != nil {
				return nil, err
			}
			p.quarantined = append(p.quarantined, page.Items...)
		}
		s, err := d.node.store.Stream(ctx, stream)
		if err != nil {
			return nil, err
		}
		for _, f := range s.Findings {
			p.noticed = append(p.noticed, fmt.Sprintf("%s: %s", resource, f.Text))
		}
	}
	p.strays = strays(p.poisoned, p.quarantined)
	return p, nil
}

// coreDigest is the digest of what the core has stored of a resource.
func (d *demo) coreDigest(ctx context.Context, resource hub.Resource) (simulator.Digest, error) {
	var failed error
	digest := simulator.DigestOf(inOrder(resource, func(yield func(string, []byte) bool) {
		failed = d.eachRecord(ctx, resource, func(id string, content []byte) error {
			if !yield(id, content) {
				return errSaid
			}
			return nil
		})
	}))
	return digest, failed
}

func (d *demo) eachRecord(ctx context.Context, resource hub.Resource, fn func(id string, content []byte) error) error {
	if resource != hub.Balances {
		return d.node.store.Records(ctx, hub.StreamID{Connector: d.connector, Resource: resource}, fn)
	}
	return d.node.store.BalanceRecords(ctx, d.connector, func(b store.CurrentBalance) error {
		return fn(b.Account+" "+string(b.Asset), []byte(b.Amount.String()))
	})
}

// strays names what is poisoned and not in quarantine, or the other way round.
func strays(poisoned []simulator.Poisoned, quarantined []hub.Rejection) []string {
	known := make(map[string][]hub.Rejection)
	for _, q := range quarantined {
		key := string(q.Stream.Resource) + " " + q.Reference
		known[key] = append(known[key], q)
	}
	var names []string
	for _, p := range poisoned {
		key := p.Resource + " " + p.ShownID
		if !slices.ContainsFunc(known[key], func(q hub.Rejection) bool { return bytes.Equal(q.Raw, p.Raw) }) {
			names = append(names, fmt.Sprintf("%s %q is poisoned and not in quarantine", p.Resource, p.ID))
		}
		if p.ShownID != "" {
			delete(known, key)
		}
	}
	for key, left := range known {
		for _, q := range left {
			if !slices.ContainsFunc(poisoned, func(p simulator.Poisoned) bool { return bytes.Equal(p.Raw, q.Raw) }) {
				names = append(names, fmt.Sprintf("%s is in quarantine and not poisoned: %s", strings.TrimSpace(key), shorten(string(q.Raw))))
			}
		}
	}
	return names
}

// report shows the proof and returns errSaid where it fails.
func (d *demo) report(p *proof, began time.Time) error {
	d.reportQuarantine(p)
	if len(p.noticed) > 0 {
		fmt.Fprintf(d.out, "\nWhat the core noticed about the service:\n")
	}
	for _, text := range p.noticed {
		fmt.Fprintf(d.out, "  %s\n", text)
	}
	table := tabwriter.NewWriter(d.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\nRESOURCE\tPSP HAS\tHASH\tCORE HAS\tHASH\t")
	for _, c := range p.resources {
		verdict := "equal"
		if c.psp != c.core {
			verdict = "DIFFERENT"
		}
		fmt.Fprintf(table, "%s\t%d\t%.16s\t%d\t%.16s\t%s\n", c.resource, c.psp.Count, c.psp.Hash, c.core.Count, c.core.Hash, verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if p.equal() {
		fmt.Fprintf(d.out, "\nEverything that the PSP knows is stored, and nothing else, after %s.\n", short(time.Since(began)))
		return nil
	}
	for _, stray := range p.strays {
		fmt.Fprintln(d.out, stray)
	}
	d.reportDifferences(p)
	fmt.Fprintf(d.out, "\nThe core differs from the PSP after %s. The same again: weir demo --once --faults %q --seed %d\n",
		short(time.Since(began)), d.options.faults, d.options.seed)
	return errSaid
}

func (d *demo) reportQuarantine(p *proof) {
	if len(p.quarantined) == 0 {
		return
	}
	fmt.Fprintf(d.out, "\nIn quarantine, %d of %d poisoned records:\n", len(p.quarantined), len(p.poisoned))
	for _, q := range p.quarantined {
		fmt.Fprintf(d.out, "  %s %s\n    %s\n    %s\n", q.Stream.Resource, q.Reference, q.Reason, shorten(string(q.Raw)))
	}
}

// reportDifferences names a few records that differ.
func (d *demo) reportDifferences(p *proof) {
	const named = 5
	for _, c := range p.resources {
		if c.psp == c.core {
			continue
		}
		psp := collect(d.psp.Records(string(c.resource)))
		core := make(map[string]string)
		err := d.eachRecord(context.Background(), c.resource, func(id string, content []byte) error {
			core[id] = string(content)
			return nil
		})
		if err != nil {
			fmt.Fprintln(d.out, err)
		}
		count := 0
		for _, id := range slices.Sorted(maps.Keys(psp)) {
			if psp[id] == core[id] {
				continue
			}
			if count++; count <= named {
				fmt.Fprintf(d.out, "%s %s:\n  PSP   %s\n  core  %s\n", c.resource, id, psp[id], core[id])
			}
		}
		for _, id := range slices.Sorted(maps.Keys(core)) {
			if _, ok := psp[id]; !ok {
				fmt.Fprintf(d.out, "%s %s: the PSP does not have it\n", c.resource, id)
			}
		}
	}
}

// inOrder sorts balances: neither side has them in the order of their text.
func inOrder(resource hub.Resource, records iter.Seq2[string, []byte]) iter.Seq2[string, []byte] {
	if resource != hub.Balances {
		return records
	}
	return func(yield func(string, []byte) bool) {
		all := collect(records)
		for _, id := range slices.Sorted(maps.Keys(all)) {
			if !yield(id, []byte(all[id])) {
				return
			}
		}
	}
}

func collect(records iter.Seq2[string, []byte]) map[string]string {
	all := make(map[string]string)
	for id, content := range records {
		all[id] = string(content)
	}
	return all
}

func shorten(text string) string {
	const most = 160
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
