package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/weirhq/weir/internal/connector"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/wire"
)

const (
	// fillBatch is how many payments are stored in one transaction.
	fillBatch = 1000
	// fillSamples is how many of the payments are remembered, to ask for them later.
	fillSamples = 10_000
	// Of so many payments one is pending, one has failed, one has expired. The
	// last is what an operator looks for among a million.
	fillPendingOneIn, fillFailedOneIn, fillExpiredOneIn = 33, 50, 10_000
	// One of so many has a channel in its metadata, one belongs to the campaign.
	fillChannelOneIn, fillCampaignOneIn = 10, 10_000
)

// A fill puts payments into a store as fast as the store takes them, without a
// service: records of a dense service, translated as the connector does it.
type fill struct {
	payments   int
	connectors []hub.ConnectorID
	// samples are payments from the whole length of the list.
	samples []hub.PaymentID
}

// into fills a fresh store. The connectors' streams are paused, so that a core
// which runs on the store afterwards has nothing to do but to answer.
func (f *fill) into(ctx context.Context, location nodeOptions, out io.Writer) (err error) {
	n, err := openQuietNode(ctx, location)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	cursors := make([]hub.Cursor, len(f.connectors))
	for i := range f.connectors {
		id := hub.NewConnectorID(hub.Provider)
		f.connectors[i] = id
		err := n.store.InstallConnector(ctx, hub.Connector{ID: id, Name: fmt.Sprintf("bench-%d", i), Config: hub.Config{
			Endpoint: "http://127.0.0.1:9", APIKey: hub.NewSecret(benchKey), PollingPeriod: time.Hour,
		}})
		if err != nil {
			return err
		}
		for _, resource := range []hub.Resource{hub.Accounts, hub.Balances, hub.Beneficiaries, hub.Transactions} {
			if err := n.store.Pause(ctx, hub.StreamID{Connector: id, Resource: resource}, time.Now()); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches, failed := f.batches(ctx)
	show := newProgress(out)
	defer show.end()
	stored := 0
	for batch := range batches {
		i := batch.connector
		batch.Read, batch.Next = cursors[i], cursors[i]
		applied, err := n.store.Apply(ctx, batch.Batch)
		if err != nil {
			return fmt.Errorf("fill the store: %w", err)
		}
		cursors[i] = applied.Cursor
		stored += applied.Stored
		show.line(fmt.Sprintf("%d of %d payments are stored", stored, f.payments))
	}
	if err := <-failed; err != nil {
		return err
	}
	if stored != f.payments {
		return fmt.Errorf("%d payments were stored, not the %d that were made", stored, f.payments)
	}
	return nil
}

// A fillBatchOf is a batch for the connector of that number.
type fillBatchOf struct {
	connector int
	hub.Batch
}

// batches makes the payments, beside their storing. The connectors take turns
// row by row, so that their payments lie among each other in time.
func (f *fill) batches(ctx context.Context) (<-chan fillBatchOf, <-chan error) {
	batches, failed := make(chan fillBatchOf, 2), make(chan error, 1)
	go func() {
		defer close(failed)
		defer close(batches)
		dense := simulator.NewDense(simulator.DenseOptions{Rows: f.payments})
		clients := make([]*connector.Client, len(f.connectors))
		open := make([]hub.Batch, len(f.connectors))
		for i, id := range f.connectors {
			clients[i] = connector.New(hub.Connector{ID: id}, connector.Options{})
		}
		sampleEvery := max(f.payments/fillSamples, 1)
		for number := range f.payments {
			i := number % len(f.connectors)
			stream := hub.StreamID{Connector: f.connectors[i], Resource: hub.Transactions}
			raw, err := wire.Append(nil, []wire.Transaction{mixed(dense.Transaction(number), number)})
			if err != nil {
				failed <- err
				return
			}
			one, err := clients[i].Translate(stream, raw[1:len(raw)-1])
			if err != nil || len(one.Adjustments) != 1 {
				failed <- fmt.Errorf("translate %s: %w", raw, err)
				return
			}
			if a := &one.Adjustments[0]; number%sampleEvery == 0 {
				f.samples = append(f.samples, hub.PaymentID{Connector: stream.Connector, Reference: a.Reference, Type: a.Type})
			}
			open[i].Stream, open[i].SeenAt = stream, one.SeenAt
			open[i].Adjustments = append(open[i].Adjustments, one.Adjustments...)
			if len(open[i].Adjustments) < fillBatch && number+len(f.connectors) < f.payments {
				continue
			}
			select {
			case batches <- fillBatchOf{i, open[i]}:
				open[i] = hub.Batch{}
			case <-ctx.Done():
				return
			}
		}
	}()
	return batches, failed
}

// mixed gives a transaction the state and the metadata that its number asks for.
func mixed(t wire.Transaction, number int) wire.Transaction {
	switch {
	case number%fillExpiredOneIn == fillExpiredOneIn/2:
		t.Status = wire.StatusExpired
	case number%fillFailedOneIn == 1:
		t.Status = wire.StatusFailed
	case number%fillPendingOneIn == 1:
		t.Status = wire.StatusPending
	}
	if number%fillChannelOneIn == 0 {
		t.Metadata["channel"] = "web"
	}
	if number%fillCampaignOneIn == 0 {
		t.Metadata["campaign"] = "spring"
	}
	return t
}

// openQuietNode opens a store with nothing running on it.
func openQuietNode(ctx context.Context, location nodeOptions) (*node, error) {
	location.Listen, location.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	location.PollingPeriod, location.PollingPeriodMin = time.Hour, time.Second
	return openNode(ctx, location)
}
