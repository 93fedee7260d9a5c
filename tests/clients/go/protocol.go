// The driver protocol for the Go driver; drivers/protocol.py says what it is.

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
)

type record struct {
	Key       []byte `json:"key"`
	Value     []byte `json:"value"`
	Headers   []pair `json:"headers"`
	Timestamp int64  `json:"timestamp"`
}

// pair is a header as the protocol carries it: [name, base64 or null].
type pair struct {
	Name  string
	Value []byte
}

func (p *pair) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&p.Name, &p.Value})
}

// request holds the fields of every request; each operation uses some.
type request struct {
	Op          string            `json:"op"`
	Topic       string            `json:"topic"`
	Group       string            `json:"group"`
	Partition   int32             `json:"partition"`
	Partitions  int32             `json:"partitions"`
	Replication int16             `json:"replication"`
	Configs     map[string]string `json:"configs"`
	Total       int               `json:"total"`
	Before      int64             `json:"before"`
	Records     []record          `json:"records"`
	Compression string            `json:"compression"`
	MaxBytes    int32             `json:"max_bytes"`
	Count       int               `json:"count"`
	IntervalMs  int               `json:"interval_ms"`
	TimeoutMs   int               `json:"timeout_ms"`
	SessionMs   int               `json:"session_ms"`
	Start       struct {
		At        string `json:"at"`
		Offset    int64  `json:"offset"`
		Timestamp int64  `json:"timestamp"`
	} `json:"start"`
}

type fields map[string]any

var (
	output = json.NewEncoder(os.Stdout)
	outMu  sync.Mutex
)

func write(answer fields) {
	outMu.Lock()
	defer outMu.Unlock()
	if err := output.Encode(answer); err != nil {
		os.Exit(1)
	}
}

func event(f fields) { write(fields{"event": f}) }

// code is Kafka's code of an error, or nil.
func code(err error) any {
	var known *kerr.Error
	if errors.As(err, &known) {
		return known.Code
	}
	return nil
}

type lacks string

func (l lacks) Error() string { return string(l) }

// serve answers requests until stdin ends. A line that comes while one runs asks it to leave.
func serve(answer func(*request, <-chan *request) (fields, error)) {
	lines := make(chan *request, 16)
	go func() {
		defer close(lines)
		in := bufio.NewReaderSize(os.Stdin, 1<<20)
		decoder := json.NewDecoder(in)
		for {
			one := new(request)
			if decoder.Decode(one) != nil {
				return
			}
			lines <- one
		}
	}()
	for one := range lines {
		done, err := answer(one, lines)
		var missing lacks
		switch {
		case errors.As(err, &missing):
			write(fields{"lacks": string(missing)})
		case err != nil:
			write(fields{"error": fields{"code": code(err), "message": err.Error()}})
		default:
			if done == nil {
				done = fields{}
			}
			write(fields{"done": done})
		}
	}
}
