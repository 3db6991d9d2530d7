module bench

go 1.19

require go-micro.dev/v4 v4.11.0
