package hub

import "time"

// Cursor is where the reading of a list stands. It is a watermark and little
// else: reading again is always safe, so all that a cursor must promise is that
// everything before the watermark which the service has shown is stored.
type Cursor struct {
	// Version is compared and set by the store: a batch that was read from an
	// older version of the cursor is refused, so two readers can't undo each other.
	Version int64 `json:"version"`
	// Watermark is a sort stamp before which every row is stored; rows stamped in
	// its own second are asked for again. It is never later than the moment at
	// which it was read. Zero: nothing read yet.
	Watermark time.Time `json:"watermark,omitzero"`
	// Near and Deep are the two re-reads behind the watermark, for rows that come late.
	Near Reread `json:"near,omitzero"`
	Deep Reread `json:"deep,omitzero"`
	// Manners is what was learned of how the service pages.
	Manners Manners `json:"manners,omitzero"`
}

// Reread is the state of one tier of re-reading. A re-read may be spread over
// many polls; Position is where the next one goes on.
type Reread struct {
	// StartedAt is when the present or last re-read began.
	StartedAt time.Time `json:"startedAt,omitzero"`
	// Position and Until bound what is still to be read; both zero when none is under way.
	Position time.Time `json:"position,omitzero"`
	Until    time.Time `json:"until,omitzero"`
}

// Active reports whether the re-read has something left to read.
func (r Reread) Active() bool { return !r.Until.IsZero() }

// Manners is what was learned of how a service pages, as far as it must outlive
// a poll. The zero value is the contract.
type Manners struct {
	// PageSize is the size to ask for where the service caps pages below what it
	// was asked for; 0 when it does not.
	PageSize int `json:"pageSize,omitempty"`
	// RowsMax is the most rows that one page ever held.
	RowsMax int `json:"rowsMax,omitempty"`
	// EndProven is the length of a short page behind which an empty one was found.
	EndProven int `json:"endProven,omitempty"`
}
