;; A component that wants an interface which no host has.
(component
  (import "acme:weather/forecast@1.2.0" (instance $forecast
    (export "tomorrow" (func (param "place" string) (result string)))
    (export "temperature" (func (result s32)))))
  (core func $temperature (canon lower (func $forecast "temperature")))
  (core module $main
    (import "forecast" "temperature" (func $temperature (result i32)))
    (func (export "warm") (result i32) (i32.gt_s (call $temperature) (i32.const 20))))
  (core instance $main (instantiate $main
    (with "forecast" (instance (export "temperature" (func $temperature))))))
  (func (export "warm") (result bool) (canon lift (core func $main "warm"))))
