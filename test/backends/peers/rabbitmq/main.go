// A go-micro peer of the rabbitmq broker: it hears topics and says what it is told.
// usage: peer ADDRESS TOPIC=QUEUE ...   prints each event as a line of JSON, publishes each line `TOPIC TEXT` that it reads
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/go-micro/plugins/v4/broker/rabbitmq"
	"go-micro.dev/v4/broker"
)

func main() {
	b := rabbitmq.NewBroker(broker.Addrs(os.Args[1]), rabbitmq.ConfirmPublish())
	fail(b.Init())
	fail(b.Connect())
	for _, arg := range os.Args[2:] {
		topic, queue, _ := strings.Cut(arg, "=")
		_, err := b.Subscribe(topic, func(e broker.Event) error {
			line, err := json.Marshal(map[string]any{"topic": e.Topic(), "header": e.Message().Header, "body": string(e.Message().Body)})
			fmt.Println(string(line))
			return err
		}, broker.Queue(queue))
		fail(err)
	}
	fmt.Println(`{"ready":true}`)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		topic, text, _ := strings.Cut(lines.Text(), " ")
		header := map[string]string{"Content-Type": "text/plain", "Micro-Topic": topic, "Micro-ID": "7", "From": "Go"}
		fail(b.Publish(topic, &broker.Message{Header: header, Body: []byte(text)}))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
