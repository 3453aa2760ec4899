module example.org/where

go 1.21
