// The benchmark's peer on go-micro: `bench serve`, or `bench call ADDRESS`. It answers each line of its input with a line
// of JSON, and ends when that does.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go-micro.dev/v4"
	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/server"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Echo takes and gives a message of one string, which is numbered 1 as in bench/echo.ts.
type Echo struct{}

func (Echo) Echo(_ context.Context, request, reply *wrapperspb.StringValue) error {
	reply.Value = request.Value
	return nil
}

type load struct {
	Ms       int
	Size     int
	InFlight int
}

func main() {
	args := os.Args[1:]
	// go-micro reads them too.
	os.Args = os.Args[:1]
	out := json.NewEncoder(os.Stdout)
	var answer func(load) map[string]interface{}
	if args[0] == "serve" {
		answer = serve(out)
	} else {
		answer = call(out, args[1])
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked load
		check(json.Unmarshal(lines.Bytes(), &asked))
		check(out.Encode(answer(asked)))
	}
}

func serve(out *json.Encoder) func(load) map[string]interface{} {
	service := micro.NewService(
		micro.Name("bench"),
		micro.Address("127.0.0.1:0"),
		micro.Registry(registry.NewMemoryRegistry()),
		micro.Broker(broker.NewMemoryBroker()),
	)
	check(micro.RegisterHandler(service.Server(), Echo{}, func(*server.HandlerOptions) {}))
	check(service.Server().Start())
	check(out.Encode(map[string]string{"address": service.Server().Options().Address}))
	return func(load) map[string]interface{} { return used(nil) }
}

func call(out *json.Encoder, address string) func(load) map[string]interface{} {
	c := client.NewClient(
		client.ContentType("application/protobuf"),
		client.PoolSize(64),
		client.Registry(registry.NewMemoryRegistry()),
		client.Broker(broker.NewMemoryBroker()),
	)
	check(out.Encode(map[string]string{"about": "go-micro v4.11.0 in Go over http, protobuf"}))
	return func(asked load) map[string]interface{} {
		text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", asked.Size/45+1)[:asked.Size]
		before := cpu()
		begin := time.Now()
		end := begin.Add(time.Duration(asked.Ms) * time.Millisecond)
		latencies := make([][]time.Duration, asked.InFlight)
		var group sync.WaitGroup
		for at := range latencies {
			group.Add(1)
			go func(at int) {
				defer group.Done()
				for now := begin; now.Before(end); {
					reply := new(wrapperspb.StringValue)
					request := c.NewRequest("bench", "Echo.Echo", &wrapperspb.StringValue{Value: text})
					check(c.Call(context.Background(), request, reply, client.WithAddress(address)))
					if reply.Value != text {
						check(fmt.Errorf("got %q", reply.Value))
					}
					then := time.Now()
					latencies[at] = append(latencies[at], then.Sub(now))
					now = then
				}
			}(at)
		}
		group.Wait()
		seconds := time.Since(begin).Seconds()
		spent := cpu() - before
		var all []time.Duration
		for _, some := range latencies {
			all = append(all, some...)
		}
		sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
		at := func(share float64) float64 { return float64(all[int(float64(len(all)-1)*share)]) / 1e6 }
		told := used(map[string]interface{}{
			"calls": len(all), "perSecond": float64(len(all)) / seconds, "p50Ms": at(0.5), "p99Ms": at(0.99),
		})
		told["cpu"] = spent
		return told
	}
}

// used adds what the process used to what there is to tell.
func used(told map[string]interface{}) map[string]interface{} {
	if told == nil {
		told = map[string]interface{}{}
	}
	told["cpu"] = cpu()
	told["rss"] = rss()
	return told
}

// cpu is user and system time in microseconds.
func cpu() int64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano()/1e3 + usage.Stime.Nano()/1e3
}

// rss is what the process has in memory, in bytes; 0 where that cannot be read.
func rss() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
