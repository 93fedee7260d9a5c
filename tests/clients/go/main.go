// Driver of franz-go (see protocol.go).

package main

import (
	"context"
	"os"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type driver struct {
	seeds []string
	admin *kadm.Client
}

func main() {
	d := &driver{seeds: strings.Split(os.Args[1], ",")}
	serve(d.answer)
}

func (d *driver) answer(r *request, lines <-chan *request) (fields, error) {
	switch r.Op {
	case "about":
		return fields{"version": version()}, nil
	case "produce":
		return d.produce(r)
	case "stream":
		return d.stream(r)
	case "consume":
		return d.consume(r)
	case "group":
		return d.group(r, lines)
	case "group_read":
		return d.groupRead(r)
	}
	return d.administer(r)
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return "unknown"
}

func (d *driver) client(options ...kgo.Opt) (*kgo.Client, error) {
	base := []kgo.Opt{kgo.SeedBrokers(d.seeds...), kgo.MetadataMaxAge(2 * time.Second), kgo.MetadataMinAge(100 * time.Millisecond)}
	return kgo.NewClient(append(base, options...)...)
}

// --- producing

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (d *driver) produce(r *request) (fields, error) {
	options := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codecs[orNone(r.Compression)]),
		kgo.DisableIdempotentWrite(),
	}
	if r.MaxBytes > 0 {
		options = append(options, kgo.ProducerBatchMaxBytes(r.MaxBytes))
	}
	client, err := d.client(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var batch []*kgo.Record
	for _, one := range r.Records {
		made := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: one.Key, Value: one.Value}
		if one.Timestamp > 0 {
			made.Timestamp = time.UnixMilli(one.Timestamp)
		}
		for _, header := range one.Headers {
			made.Headers = append(made.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		batch = append(batch, made)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	results := client.ProduceSync(ctx, batch...)
	if err := results.FirstErr(); err != nil {
		return nil, err
	}
	offsets := []int64{}
	for _, one := range results {
		offsets = append(offsets, one.Record.Offset)
	}
	return fields{"offsets": offsets}, nil
}

func orNone(codec string) string {
	if codec == "" {
		return "none"
	}
	return codec
}

func (d *driver) stream(r *request) (fields, error) {
	client, err := d.client(
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var open sync.WaitGroup
	for place := 0; place < r.Count; place++ {
		open.Add(1)
		made := &kgo.Record{Topic: r.Topic, Partition: int32(place) % r.Partitions, Value: []byte(strconv.Itoa(place))}
		client.Produce(context.Background(), made, func(_ *kgo.Record, err error) {
			defer open.Done()
			if err != nil {
				event(fields{"failed": place, "code": code(err), "message": err.Error()})
				return
			}
			event(fields{"acked": place, "at": float64(time.Now().UnixMicro()) / 1e6})
		})
		time.Sleep(time.Duration(r.IntervalMs) * time.Millisecond)
	}
	open.Wait()
	return nil, nil
}

// --- consuming

func (d *driver) consume(r *request) (fields, error) {
	starts := map[string]kgo.Offset{
		"start": kgo.NewOffset().AtStart(), "end": kgo.NewOffset().AtEnd(), "offset": kgo.NewOffset().At(r.Start.Offset),
		"timestamp": kgo.NewOffset().AfterMilli(r.Start.Timestamp),
	}
	options := []kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.Topic: {r.Partition: starts[r.Start.At]}})}
	if r.MaxBytes > 0 {
		options = append(options, kgo.FetchMaxPartitionBytes(r.MaxBytes))
	}
	client, err := d.client(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	rows := []fields{}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.TimeoutMs)*time.Millisecond)
	defer cancel()
	for len(rows) < r.Count && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for _, failure := range fetches.Errors() {
			if ctx.Err() == nil {
				return nil, failure.Err
			}
		}
		fetches.EachRecord(func(one *kgo.Record) {
			if len(rows) < r.Count {
				rows = append(rows, row(one))
			}
		})
	}
	return fields{"records": rows}, nil
}

func row(one *kgo.Record) fields {
	headers := [][]any{}
	for _, header := range one.Headers {
		headers = append(headers, []any{header.Key, header.Value})
	}
	return fields{"offset": one.Offset, "timestamp": one.Timestamp.UnixMilli(), "key": one.Key, "value": one.Value, "headers": headers}
}

func (d *driver) group(r *request, lines <-chan *request) (fields, error) {
	report := func(kind string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { event(fields{kind: parts[r.Topic]}) }
	}
	session := time.Duration(r.SessionMs) * time.Millisecond
	client, err := d.client(
		kgo.ConsumerGroup(r.Group), kgo.ConsumeTopics(r.Topic), kgo.SessionTimeout(session), kgo.HeartbeatInterval(session/6),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitInterval(500*time.Millisecond),
		kgo.OnPartitionsAssigned(report("assigned")), kgo.OnPartitionsRevoked(report("revoked")), kgo.OnPartitionsLost(report("revoked")),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-lines
		cancel()
	}()
	for ctx.Err() == nil {
		read := [][2]int64{}
		client.PollFetches(ctx).EachRecord(func(one *kgo.Record) { read = append(read, [2]int64{int64(one.Partition), one.Offset}) })
		if len(read) > 0 {
			event(fields{"records": read})
		}
	}
	return nil, nil
}

func (d *driver) groupRead(r *request) (fields, error) {
	client, err := d.client(
		kgo.ConsumerGroup(r.Group), kgo.ConsumeTopics(r.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	read := [][2]int64{}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.TimeoutMs)*time.Millisecond)
	defer cancel()
	for len(read) < r.Count && ctx.Err() == nil {
		var last *kgo.Record
		client.PollRecords(ctx, r.Count-len(read)).EachRecord(func(one *kgo.Record) {
			read = append(read, [2]int64{int64(one.Partition), one.Offset})
			last = one
		})
		if last != nil {
			if err := client.CommitRecords(ctx, last); err != nil {
				return nil, err
			}
		}
	}
	return fields{"records": read}, nil
}

// --- administration

func (d *driver) administer(r *request) (fields, error) {
	if d.admin == nil {
		client, err := d.client()
		if err != nil {
			return nil, err
		}
		d.admin = kadm.NewClient(client)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	switch r.Op {
	case "create_topic":
		configs := map[string]*string{}
		for name, value := range r.Configs {
			configs[name] = kadm.StringPtr(value)
		}
		_, err := d.admin.CreateTopic(ctx, r.Partitions, r.Replication, configs, r.Topic)
		return nil, err
	case "list_topics":
		found, err := d.admin.ListTopics(ctx)
		return fields{"topics": found.Names()}, err
	case "describe_topic":
		return d.describeTopic(ctx, r)
	case "describe_configs":
		found, err := d.admin.DescribeTopicConfigs(ctx, r.Topic)
		if err != nil {
			return nil, err
		}
		configs := fields{}
		for _, one := range found[0].Configs {
			configs[one.Key] = one.Value
		}
		return fields{"configs": configs}, found[0].Err
	case "alter_configs":
		var changes []kadm.AlterConfig
		for name, value := range r.Configs {
			changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: kadm.StringPtr(value)})
		}
		answer, err := d.admin.AlterTopicConfigs(ctx, changes, r.Topic)
		if err != nil {
			return nil, err
		}
		return nil, answer[0].Err
	case "add_partitions":
		answer, err := d.admin.UpdatePartitions(ctx, r.Total, r.Topic)
		if err != nil {
			return nil, err
		}
		return nil, answer.Error()
	case "delete_topic":
		_, err := d.admin.DeleteTopic(ctx, r.Topic)
		return nil, err
	case "delete_records":
		before := kadm.Offsets{}
		before.AddOffset(r.Topic, r.Partition, r.Before, -1)
		answer, err := d.admin.DeleteRecords(ctx, before)
		if err != nil {
			return nil, err
		}
		return nil, answer.Error()
	case "list_groups":
		found, err := d.admin.ListGroups(ctx)
		return fields{"groups": found.Groups()}, err
	case "describe_group":
		found, err := d.admin.DescribeGroups(ctx, r.Group)
		if err != nil {
			return nil, err
		}
		one := found[r.Group]
		return fields{"state": one.State, "members": len(one.Members)}, one.Err
	case "delete_group":
		_, err := d.admin.DeleteGroup(ctx, r.Group)
		return nil, err
	}
	return nil, lacks("has no " + strings.ReplaceAll(r.Op, "_", " "))
}

func (d *driver) describeTopic(ctx context.Context, r *request) (fields, error) {
	found, err := d.admin.ListTopics(ctx, r.Topic)
	if err != nil {
		return nil, err
	}
	topic := found[r.Topic]
	parts := []fields{}
	for _, part := range topic.Partitions.Sorted() {
		sort.Slice(part.Replicas, func(a, b int) bool { return part.Replicas[a] < part.Replicas[b] })
		parts = append(parts, fields{"index": part.Partition, "leader": part.Leader, "replicas": part.Replicas})
	}
	return fields{"partitions": parts}, topic.Err
}
