module peer

go 1.19

require go-micro.dev/v5 v5.3.0
