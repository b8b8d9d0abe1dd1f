package store

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// purgeRowsMax is how many rows one transaction of a removal takes away: few
// enough that a poll which waits for its turn to write does not notice.
const purgeRowsMax = 2000

// InstallConnector stores a new connector and its four streams, all due now.
// The findings of its Look stand on the streams that they concern from the
// beginning: written later, they would race with the first poll.
// A name that is taken, by exactly the same letters, is hub.CodeConflict.
func (s *Store) InstallConnector(ctx context.Context, c hub.Connector) error {
	now := s.now()
	if c.CreatedAt.IsZero() {
		c.CreatedAt = now
	}
	if c.UpdatedAt.IsZero() {
		c.UpdatedAt = c.CreatedAt
	}
	sealed, err := s.sealAPIKey(c.ID, c.Config.APIKey)
	if err != nil {
		return err
	}
	return s.driver.Write(ctx, func(tx Tx) error {
		if err := nameIsFree(ctx, tx, c.Name, 0); err != nil {
			return err
		}
		if _, found, err := tx.ConnectorRow(ctx, c.ID); err != nil {
			return err
		} else if found {
			return hub.Errorf(hub.CodeConflict, "there is a connector %s already", c.ID.Reference)
		}
		row := ConnectorRow{Connector: c, SealedAPIKey: sealed}
		if err := tx.InsertConnector(ctx, &row); err != nil {
			return err
		}
		var rows []*StreamRow
		for _, resource := range hub.Resources() {
			rows = append(rows, &StreamRow{ConnectorKey: row.Key, Stream: hub.Stream{
				ID:     hub.StreamID{Connector: c.ID, Resource: resource},
				Period: c.Config.PollingPeriod, NextDueAt: now, Turn: 1,
				Findings: c.Look.Replace(nil, resource),
			}})
		}
		if err := tx.InsertStreams(ctx, rows); err != nil {
			return err
		}
		return tx.Enqueue(ctx, jobsOf(rows))
	})
}

// Connector returns a connector, or hub.CodeNotFound.
func (s *Store) Connector(ctx context.Context, id hub.ConnectorID) (hub.Connector, error) {
	var c hub.Connector
	err := s.driver.ReadOne(ctx, func(v View) error {
		row, err := findConnector(ctx, v, id)
		if err != nil {
			return err
		}
		c, err = s.openConnector(&row)
		return err
	})
	return c, err
}

// Connectors lists the connectors, the newest first.
func (s *Store) Connectors(ctx context.Context, q hub.ListQuery) (hub.Page[hub.Connector], error) {
	q = clamp(q)
	var page hub.Page[hub.Connector]
	err := s.driver.ReadOne(ctx, func(v View) error {
		rows, err := v.ConnectorPage(ctx, more(q))
		if err != nil {
			return err
		}
		page, err = pageOf(q, rows, func(r *ConnectorRow) hub.Position {
			return hub.Position{CreatedAt: r.CreatedAt, Key: r.Key}
		}, s.openConnector)
		return err
	})
	return page, err
}

// ConfigureConnector replaces the name and the whole configuration. The streams
// take the new period at once: none is due later than one new period from now,
// and one that fails is tried immediately, because the old configuration may
// have been the cause. Streams at rest stay at rest.
//
// look is what was seen of the service with the new configuration, and its
// findings replace those of the look before. With nil the old look stays, as long
// as the endpoint does, for it tells of that endpoint only.
func (s *Store) ConfigureConnector(ctx context.Context, id hub.ConnectorID, name string, config hub.Config, look *hub.Look) error {
	sealed, err := s.sealAPIKey(id, config.APIKey)
	if err != nil {
		return err
	}
	return s.driver.Write(ctx, func(tx Tx) error {
		row, err := findConnector(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := nameIsFree(ctx, tx, name, row.Key); err != nil {
			return err
		}
		now := s.now()
		looked := look != nil || config.Endpoint != row.Config.Endpoint
		if looked {
			row.Look = look
		}
		row.Name, row.Config, row.SealedAPIKey, row.UpdatedAt = name, config, sealed, now
		if err := tx.UpdateConnector(ctx, &row); err != nil {
			return err
		}
		streams, err := tx.StreamRows(ctx, row.Key)
		if err != nil {
			return err
		}
		var changed, woken []*StreamRow
		for i := range streams {
			stream := &streams[i]
			changed = append(changed, stream)
			if looked {
				stream.Findings = look.Replace(stream.Findings, stream.ID.Resource)
			}
			if reconfigure(&stream.Stream, config.PollingPeriod, now) {
				woken = append(woken, stream)
			}
		}
		if err := tx.UpdateStreams(ctx, changed); err != nil {
			return err
		}
		return tx.Enqueue(ctx, jobsOf(woken))
	})
}

// reconfigure gives a stream its new period and reports whether that moved its
// next poll, which then needs a job.
func reconfigure(stream *hub.Stream, period time.Duration, now time.Time) bool {
	stream.Period = period
	due := now.Add(period)
	if stream.ConsecutiveFailures > 0 {
		due = now
	}
	if !stream.NextDueAt.After(due) {
		return false
	}
	stream.NextDueAt = due
	stream.Turn++
	return stream.PausedAt.IsZero()
}

// UninstallConnector removes a connector with all of its data. It vanishes from
// every list at once, in a first transaction; the data goes in many small ones,
// so that other connectors can go on writing. When the process ends in between,
// the next call, or [Store.FinishUninstalls], goes on where it stopped.
func (s *Store) UninstallConnector(ctx context.Context, id hub.ConnectorID) error {
	var key int64
	err := s.driver.Write(ctx, func(tx Tx) error {
		row, found, err := tx.ConnectorRow(ctx, id)
		if err != nil {
			return err
		}
		if !found {
			return noConnector(id)
		}
		key = row.Key
		if !row.DeletedAt.IsZero() {
			return nil
		}
		row.DeletedAt = s.now()
		return tx.UpdateConnector(ctx, &row)
	})
	if err != nil {
		return err
	}
	return s.purge(ctx, key)
}

// FinishUninstalls removes what is left of connectors whose removal an earlier
// process did not bring to its end.
func (s *Store) FinishUninstalls(ctx context.Context) error {
	var rows []ConnectorRow
	err := s.driver.Read(ctx, func(v View) (err error) {
		rows, err = v.DeletedConnectors(ctx)
		return err
	})
	for i := 0; err == nil && i < len(rows); i++ {
		err = s.purge(ctx, rows[i].Key)
	}
	return err
}

// purge removes what is left of a connector. After each step it rests for as
// long as the step took, so that others find the database free: a job engine on
// connections of its own has no place in the queue of the store's writers.
func (s *Store) purge(ctx context.Context, connectorKey int64) error {
	for {
		began := time.Now()
		gone := false
		err := s.driver.Write(ctx, func(tx Tx) (err error) {
			gone, err = tx.PurgeConnector(ctx, connectorKey, purgeRowsMax)
			return err
		})
		if err != nil || gone {
			return err
		}
		select {
		case <-time.After(time.Since(began)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func findConnector(ctx context.Context, v View, id hub.ConnectorID) (ConnectorRow, error) {
	row, found, err := v.ConnectorRow(ctx, id)
	switch {
	case err != nil:
		return row, err
	case !found || !row.DeletedAt.IsZero():
		return row, noConnector(id)
	}
	return row, nil
}

func noConnector(id hub.ConnectorID) error {
	return hub.Errorf(hub.CodeNotFound, "there is no connector %s; list the connectors for those that are installed", id.Reference)
}

func nameIsFree(ctx context.Context, v View, name string, except int64) error {
	row, found, err := v.ConnectorNamed(ctx, name)
	if err == nil && found && row.Key != except {
		return hub.Errorf(hub.CodeConflict, "the name %q is taken by connector %s; choose another", name, row.ID.Reference)
	}
	return err
}

// apiKeyBinding ties a sealed key to the connector that it belongs to, so that
// a row copied onto another connector opens nothing.
func apiKeyBinding(id hub.ConnectorID) []byte {
	return []byte("connector/" + id.Reference + "/api_key")
}

func (s *Store) sealAPIKey(id hub.ConnectorID, key hub.Secret) ([]byte, error) {
	sealed, err := s.cipher.Seal([]byte(key.Reveal()), apiKeyBinding(id))
	if err != nil {
		return nil, hub.Errorf(hub.CodeInternal, "encrypt the API key of connector %s: %w", id.Reference, err)
	}
	return sealed, nil
}

func (s *Store) openConnector(row *ConnectorRow) (hub.Connector, error) {
	key, err := s.cipher.Open(row.SealedAPIKey, apiKeyBinding(row.ID))
	if err != nil {
		return hub.Connector{}, hub.Errorf(hub.CodeInternal,
			"the API key of connector %s can't be decrypted; configure the connector again with its key: %w", row.ID.Reference, err)
	}
	c := row.Connector
	c.Config.APIKey = hub.NewSecret(string(key))
	return c, nil
}
